"""Which engine runs a model: the one place that names them all."""

from collections.abc import Callable, Mapping
from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_crds.engines import ENGINES, EngineType, Task
from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.adapters.dummy.server import DummyServer
from slipway_runtime.adapters.in_process import InProcessEngine
from slipway_runtime.domain.arguments import parse_arguments
from slipway_runtime.domain.dummy import DummyOptions
from slipway_runtime.domain.engine import Engine
from slipway_runtime.domain.failure import RuntimeFailure

MakeEngine = Callable[[Path | None], Engine]


def engine_maker(env: RuntimeEnv) -> MakeEngine:
    """How to make the engine that ``env`` asks for.

    Arguments are checked here, before any weights are fetched. Raises RuntimeFailure (InvalidConfiguration,
    EngineNotAvailable).
    """
    maker = _MAKERS.get(env.engine)
    if maker is None:
        message = f"this runtime has no engine {env.engine}; it has {', '.join(_MAKERS)}"
        raise RuntimeFailure(Reason.ENGINE_NOT_AVAILABLE, message)
    return maker(env)


def served_names(env: RuntimeEnv) -> tuple[str, ...]:
    """The names callers use."""
    return env.served_names or (env.model_name,)


def tasks(env: RuntimeEnv) -> tuple[Task, ...]:
    """What callers may ask."""
    return env.tasks or ENGINES[env.engine].default_tasks


def _dummy(env: RuntimeEnv) -> MakeEngine:
    options = parse_arguments("dummy", env.engine_args, DummyOptions)

    def make(_: Path | None) -> Engine:
        return InProcessEngine(DummyServer(options, served_names(env), env.max_concurrency), env.host, env.data_port)

    return make


_MAKERS: Mapping[EngineType, Callable[[RuntimeEnv], MakeEngine]] = {
    EngineType.DUMMY: _dummy,
}
