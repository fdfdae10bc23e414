"""What starts a runtime on this machine, taken from a ModelDeployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway_crds.engines import EngineType, Task
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.runtime_env import PREFIX, RuntimeAdapter, RuntimeEnv
from slipway_crds.workload_spec import EnvVar


@dataclass(frozen=True)
class Launch:
    """All that a running runtime was told. Two equal launches need no restart between them."""

    name: str
    source: str
    engine: EngineType
    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Variables of ``engine.env`` with a value, in their order."""
    inherited_env: tuple[str, ...]
    """Variables of ``engine.env`` that a cluster takes from a Secret or ConfigMap; here the user's shell has them."""
    adapters: tuple[tuple[str, str], ...]
    """Names and sources of LoRA adapters."""
    gpu_count: int
    max_concurrency: int | None
    startup_timeout: str
    drain_timeout: str


@dataclass(frozen=True)
class Place:
    """Where on this machine one start of a runtime happens."""

    host: str
    data_port: int
    control_port: int
    cache_dir: Path
    termination_log: Path


def gpus_of(model: ModelDeployment) -> int:
    """GPUs that ``model`` asks for."""
    gpu = model.spec.resources.gpu if model.spec.resources else None
    return gpu.count if gpu else 0


def launch_of(model: ModelDeployment, gpus: int) -> Launch:
    """The launch that ``model`` describes on a machine with ``gpus`` GPUs; what only a cluster has is left out."""
    spec = model.spec
    variables: tuple[EnvVar, ...] = spec.engine.env or ()
    return Launch(
        name=model.metadata.name,
        source=spec.model.source,
        engine=spec.engine.type,
        served_names=model.served_names,
        tasks=model.tasks,
        args=spec.engine.args or (),
        env=tuple((variable.name, variable.value or "") for variable in variables if variable.value_from is None),
        inherited_env=tuple(variable.name for variable in variables if variable.value_from is not None),
        adapters=tuple((adapter.name, adapter.source) for adapter in spec.adapters or ()),
        gpu_count=min(gpus_of(model), gpus),
        max_concurrency=spec.routing.max_concurrency if spec.routing else None,
        startup_timeout=spec.lifecycle.startup_timeout,
        drain_timeout=spec.lifecycle.drain_timeout,
    )


def environment(launch: Launch, place: Place, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of the runtime's process: the user's own, those of the YAML, and Slipway's.

    No ``SLIPWAY_`` variable is inherited: `SLIPWAY_API_KEY` is nothing that an engine should see.
    """
    runtime = RuntimeEnv(
        model_name=launch.name,
        model_source=launch.source,
        engine=launch.engine,
        served_names=launch.served_names,
        tasks=launch.tasks,
        engine_args=launch.args,
        adapters=tuple(RuntimeAdapter(name=name, source=source) for name, source in launch.adapters),
        gpu_count=launch.gpu_count,
        max_concurrency=launch.max_concurrency,
        cache_dir=str(place.cache_dir),
        host=place.host,
        data_port=place.data_port,
        control_port=place.control_port,
        startup_timeout=launch.startup_timeout,
        drain_timeout=launch.drain_timeout,
        termination_log=str(place.termination_log),
    )
    own = {name: value for name, value in inherited.items() if not name.startswith(PREFIX)}
    return {**own, **dict(launch.env), **runtime.to_env()}
