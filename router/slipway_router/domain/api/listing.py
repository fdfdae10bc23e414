"""The models that a caller may use, as OpenAI's API lists them."""

from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.models.catalogue import Catalogue, Model


def entry(served_name: str, model: Model) -> dict[str, object]:
    """One model under one of its names.

    ``state``, ``tasks``, ``engine`` and, as far as they are known, ``device`` and ``start_seconds`` are Slipway's own
    additions. The entry of an adapter has, as vLLM lists it, the model it is laid on as its ``parent``.
    """
    device = {"device": model.device} if model.device else {}
    start = {"start_seconds": dict(model.start_seconds)} if model.start_seconds else {}
    parent = {"parent": model.served_names[0]} if served_name in model.adapters else {}
    return {
        "id": served_name,
        "object": "model",
        "created": model.created,
        "owned_by": "slipway",
        "state": model.state,
        "tasks": sorted(model.tasks),
        "engine": model.engine,
        **device,
        **start,
        **parent,
    }


def visible(catalogue: Catalogue, caller: Caller) -> list[dict[str, object]]:
    """Every model that the caller's key opens, asleep or awake, by name."""
    names = sorted(name for name in catalogue.by_name if caller.may_call(name))
    return [entry(name, catalogue.by_name[name]) for name in names]
