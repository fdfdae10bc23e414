"""The environment that configures a runtime: one table for the operator, local mode and the runtime itself."""

import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway_crds.duration import Duration
from slipway_crds.engines import EngineType, Task
from slipway_crds.names import CONTROL_PORT, DATA_PORT

PREFIX: Final = "SLIPWAY_"
_Port = Annotated[int, Field(ge=1, le=65535)]


class RuntimeEnvError(ValueError):
    """A variable of the runtime's environment is missing or wrong; the message names it."""


class RuntimeAdapter(BaseModel):
    """A LoRA adapter for the engine."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1)]
    """Name by which callers ask for it."""
    source: Annotated[str, Field(min_length=1)]
    """URI of its folder."""


class RuntimeEnv(BaseModel):
    """Configuration of one runtime. The field ``model_source`` travels as ``SLIPWAY_MODEL_SOURCE``, and so on.

    Lists of names are comma-separated; ``engine_args`` and ``adapters`` are JSON, since they may hold commas.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    model_name: Annotated[str, Field(min_length=1)]
    """Name of the ModelDeployment."""
    model_source: Annotated[str, Field(min_length=1)]
    """URI of the weights."""
    engine: EngineType
    """Engine to start."""
    served_names: tuple[str, ...] = ()
    """Names by which callers ask for the model. Default: `model_name`."""
    tasks: tuple[Task, ...] = ()
    """What callers may ask of the model. Default: by engine."""
    engine_args: tuple[str, ...] = ()
    """Arguments for the engine, in its own words."""
    adapters: tuple[RuntimeAdapter, ...] = ()
    """LoRA adapters, each with ``name`` and ``source``."""
    gpu_count: Annotated[int, Field(ge=0)] = 0
    """GPUs that the pod was given."""
    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Requests to work on at once. Default: the engine's."""
    cache_dir: str = "/var/cache/slipway"
    """Folder for fetched weights."""
    host: str = "0.0.0.0"
    """Address to listen on."""
    data_port: _Port = DATA_PORT
    """Port of the engine's HTTP API."""
    control_port: _Port = CONTROL_PORT
    """Port of the control API."""
    startup_timeout: Duration = "30m"
    """From start to ready; longer is a failure."""
    drain_timeout: Duration = "5m"
    """How long running requests may go on after SIGTERM."""
    termination_log: str = "/dev/termination-log"
    """File that gets the cause of a failure."""

    def to_env(self) -> dict[str, str]:
        """The variables that carry this configuration; what equals the default is left out."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        return {f"{PREFIX}{name.upper()}": _to_text(name, value) for name, value in values.items()}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RuntimeEnv":
        """The configuration in ``environ``; other variables are ignored.

        Raises:
            RuntimeEnvError: a variable is missing or wrong.
        """
        fields = {
            name: environ[f"{PREFIX}{name.upper()}"]
            for name in cls.model_fields
            if f"{PREFIX}{name.upper()}" in environ
        }
        try:
            return cls.model_validate({name: _from_text(name, text) for name, text in fields.items()})
        except ValidationError as error:
            raise RuntimeEnvError("; ".join(_explain(item["loc"], item["msg"]) for item in error.errors())) from None


_NAME_LISTS: Final = ("served_names", "tasks")
_JSON_EXAMPLES: Final = {
    "engine_args": '["--ctx-size=2048"]',
    "adapters": '[{"name": "sql", "source": "hf://org/repo"}]',
}


def _to_text(name: str, value: object) -> str:
    if name in _NAME_LISTS and isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, list) else str(value)


def _from_text(name: str, text: str) -> object:
    if name in _NAME_LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if name in _JSON_EXAMPLES:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            example = _JSON_EXAMPLES[name]
            raise RuntimeEnvError(
                f"{PREFIX}{name.upper()} is not a JSON list ({error}); write for example {example}"
            ) from None
    return text


def _explain(location: tuple[int | str, ...], message: str) -> str:
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return f"{PREFIX}{str(location[0]).upper()}{inner}: {message}"
