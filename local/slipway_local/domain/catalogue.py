"""What the router may know of this machine's models."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from slipway_crds.conditions import Reason
from slipway_local.domain.view import ModelView, Status
from slipway_local.domain.world import LocalModel
from slipway_router.domain.models.catalogue import Catalogue, Endpoint, Model
from slipway_router.domain.models.cluster_view import model_of

_LOOPBACK = "127.0.0.1"
_PARTS = {"fetching": "fetched", "loading": "loaded", "warming": "warmed"}


def catalogue_of(models: Mapping[str, LocalModel], views: Iterable[ModelView]) -> Catalogue:
    """The catalogue of ``models``, each in the state of its view."""
    return Catalogue.of(_entry(number, models[view.name], view) for number, view in enumerate(views))


def _entry(number: int, model: LocalModel, view: ModelView) -> Model:
    endpoints = (Endpoint(_LOOPBACK, view.port),) if view.port is not None else ()
    problem = view.problem if view.status in (Status.FAILED, Status.BLOCKED) else None
    suspended = problem is not None and problem.reason is Reason.SUSPENDED
    known = model_of(model.resource, endpoints)
    return replace(
        known,
        # An external one has its provider's.
        endpoints=() if view.status is Status.BLOCKED else known.endpoints,
        # The order of the files stands for age.
        created=number,
        wakeable=view.wakeable,
        phase="suspended" if suspended else view.phase,
        start_seconds=_start_seconds(view),
        device=view.report.device if view.report is not None and view.status is Status.READY else "",
        reason=problem.reason if problem else "",
    )


def _start_seconds(view: ModelView) -> tuple[tuple[str, float], ...]:
    """Where the time of the start went, of a model that is ready."""
    if view.status is not Status.READY:
        return ()
    spent = view.report.phase_seconds if view.report is not None else {}
    parts = tuple((part, round(spent[phase], 2)) for phase, part in _PARTS.items() if phase in spent)
    return (*parts, ("total", round(view.start_seconds, 2)))
