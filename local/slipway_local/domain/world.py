"""What the files ask for: models, keys, and notes on what only a cluster can do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from slipway_crds.api_key import APIKey
from slipway_crds.conditions import Reason
from slipway_crds.documents import DocumentError, Resource
from slipway_crds.duration import parse_duration
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.serving_spec import WarmWindow
from slipway_local.domain.external import is_external, key_variable
from slipway_local.domain.launch import Launch, gpus_of, launch_of
from slipway_operator.domain.schedules import ScheduleError, warmth


@dataclass(frozen=True)
class Problem:
    """Why a model cannot serve."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class LocalModel:
    """A ModelDeployment as this machine runs it."""

    resource: ModelDeployment
    launch: Launch
    idle_after: float | None
    """Seconds without a request after which the process ends; None: never."""
    warm_windows: tuple[WarmWindow, ...]
    """Times in which it runs whether it is used or not."""
    blocked: Problem | None
    """Why it cannot even be tried here."""

    @property
    def name(self) -> str:
        """Name of the ModelDeployment."""
        return self.resource.metadata.name


@dataclass(frozen=True)
class World:
    """All that the files ask for, at one moment."""

    models: Mapping[str, LocalModel] = field(default_factory=lambda: MappingProxyType({}))
    """By name, in the order of the files."""
    keys: tuple[APIKey, ...] = ()
    notes: tuple[str, ...] = ()
    """What is accepted and does nothing here, for people who ask."""
    warnings: tuple[str, ...] = ()
    """What everybody should know who runs this."""


@dataclass(frozen=True)
class Machine:
    """What the files' models find here."""

    unavailable: Mapping[EngineType, Problem] = field(default_factory=lambda: MappingProxyType({}))
    """Engines that cannot run on this machine."""
    variables: frozenset[str] = frozenset()
    """Names of the environment variables that the user has set."""
    gpus: int = 0
    idle_after: float | None = None
    """Idle time, in seconds, of models that say nothing of their own; None: they stay."""


def world_of(resources: Iterable[Resource], machine: Machine) -> World:
    """The world that ``resources`` describe on ``machine``.

    Raises:
        DocumentError: two objects cannot live side by side here.
    """
    models: dict[str, LocalModel] = {}
    keys: dict[str, APIKey] = {}
    notes: list[str] = []
    warnings: list[str] = []
    for resource in resources:
        name = resource.metadata.name
        if isinstance(resource, ModelDeployment):
            _refuse_twin(name, models, "ModelDeployment")
            models[name] = _local_model(resource, machine)
            notes += _notes(resource)
            warnings += _missing_variables(models[name], machine.variables) + _missing_gpus(resource, machine.gpus)
        elif isinstance(resource, APIKey):
            _refuse_twin(name, keys, "APIKey")
            keys[name] = resource
        else:
            warnings.append(f"ModelRoute {name} is not followed yet; callers ask for models by their own names")
    _refuse_shared_names(models.values())
    return World(MappingProxyType(models), tuple(keys.values()), tuple(notes), tuple(warnings))


def _local_model(resource: ModelDeployment, machine: Machine) -> LocalModel:
    autoscaling = resource.spec.autoscaling
    to_zero = autoscaling.scale_to_zero if autoscaling else None
    return LocalModel(
        resource=resource,
        launch=launch_of(resource, machine.gpus),
        idle_after=parse_duration(to_zero.idle_after) if to_zero else machine.idle_after,
        warm_windows=_warm_windows(resource),
        blocked=_blocked(resource, machine),
    )


def _warm_windows(resource: ModelDeployment) -> tuple[WarmWindow, ...]:
    windows = (resource.spec.autoscaling.warm_windows if resource.spec.autoscaling else None) or ()
    try:
        # Whether they can be understood shows at any time.
        warmth(windows, datetime.now(UTC))
    except ScheduleError as error:
        name = resource.metadata.name
        raise DocumentError(f"ModelDeployment {name}: spec.autoscaling.warmWindows: {error}") from None
    return windows


def _blocked(resource: ModelDeployment, machine: Machine) -> Problem | None:
    spec = resource.spec
    if spec.lifecycle.suspend:
        return Problem(Reason.SUSPENDED, "spec.lifecycle.suspend is true; set it to false to serve the model")
    if is_external(resource):
        return _missing_key(resource, machine.variables)
    sources = (spec.model.source, *(adapter.source for adapter in spec.adapters or ()))
    if any(source.startswith("pvc://") for source in sources):
        message = "pvc:// sources exist on clusters only; here write file:///path/to/the/weights"
        return Problem(Reason.INVALID_CONFIGURATION, message)
    return machine.unavailable.get(spec.engine.type)


def _missing_key(resource: ModelDeployment, variables: frozenset[str]) -> Problem | None:
    auth, variable = resource.spec.engine.auth_secret, key_variable(resource)
    if auth is None or auth.optional or variable in variables:
        return None
    message = f"a cluster takes the provider's key from Secret {auth.name}, key {auth.key}; here set {variable}"
    return Problem(Reason.SECRET_NOT_FOUND, message)


def _refuse_twin(name: str, others: Mapping[str, object], kind: str) -> None:
    if name in others:
        message = f"{kind} {name} comes twice; local mode has no namespaces, so names must differ"
        raise DocumentError(message)


def _refuse_shared_names(models: Iterable[LocalModel]) -> None:
    owner: dict[str, str] = {}
    for model in models:
        for served in (*model.launch.served_names, *model.resource.adapter_names):
            other = owner.setdefault(served, model.name)
            if other != model.name:
                raise DocumentError(
                    f"ModelDeployments {other} and {model.name} both serve the name {served}; "
                    "give one of them another name"
                )


_CLUSTER_ONLY: Final[Sequence[str]] = ("placements", "cache", "template")


def _notes(resource: ModelDeployment) -> list[str]:
    spec, name = resource.spec, resource.metadata.name
    ignored = [field for field in _CLUSTER_ONLY if getattr(spec, field) is not None]
    if spec.resources is not None:
        ignored += [f"resources.{part}" for part in ("requests", "limits") if getattr(spec.resources, part) is not None]
    if spec.replicas is not None and spec.replicas > 1:
        ignored.append("replicas")
    if spec.autoscaling is not None and spec.autoscaling.max_replicas > 1:
        ignored.append("autoscaling.maxReplicas")
    if spec.engine.image is not None:
        ignored.append("engine.image")
    return [f"{name}: spec.{field} does nothing in local mode" for field in ignored]


def _missing_variables(model: LocalModel, variables: frozenset[str]) -> list[str]:
    missing = [name for name in model.launch.inherited_env if name not in variables]
    if not missing:
        return []
    return [f"{model.name}: a cluster takes {', '.join(missing)} from a Secret or ConfigMap; here set it in your shell"]


def _missing_gpus(resource: ModelDeployment, gpus: int) -> list[str]:
    wanted, name = gpus_of(resource), resource.metadata.name
    if wanted <= gpus:
        return []
    has = f"has {gpus}, so it runs with fewer" if gpus else "has no NVIDIA GPU, so it runs on the CPU"
    return [f"{name}: spec.resources.gpu asks for {wanted}; this machine {has}"]
