"""Everything that has to be fetched before the engine can be made."""

from collections.abc import Callable
from pathlib import Path

from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.adapters.fetch.hub import HubAccess
from slipway_runtime.app.weights import weights_fetcher
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import parse_source
from slipway_runtime.domain.weights import Weights


def fetcher(env: RuntimeEnv, hub: HubAccess) -> Callable[[Progress], Weights]:
    """A blocking function that fetches the model and, after it, its adapters, one after another.

    Raises RuntimeFailure (InvalidConfiguration) for a source that cannot be read; the function raises as
    ``weights_fetcher`` says.
    """

    def one(source: str) -> Callable[[Progress], Path | None]:
        return weights_fetcher(parse_source(source), env.engine, Path(env.cache_dir), hub, env.engine_args)

    model = one(env.model_source)
    adapters = {adapter.name: one(adapter.source) for adapter in env.adapters}

    def fetch(progress: Progress) -> Weights:
        weights = model(progress)
        found = {name: path for name, fetch_one in adapters.items() if (path := fetch_one(progress)) is not None}
        return Weights(weights, found)

    return fetch
