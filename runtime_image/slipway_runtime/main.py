"""``slipway-runtime``: serve the model that the environment describes (variables: `slipway_crds.runtime_env`)."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_crds.runtime_env import RuntimeEnv, RuntimeEnvError
from slipway_runtime.adapters.fetch.hub import HubAccess
from slipway_runtime.app.runtime import run_runtime
from slipway_runtime.domain.failure import RuntimeFailure

log = logging.getLogger("slipway_runtime")


def main() -> None:
    """Entry point. Ends with the engine's exit code, or with the code of the reason for a failure."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    sys.exit(run(os.environ))


def run(environ: Mapping[str, str]) -> int:
    """Serve until the end; the cause of a failure goes to the log and to the termination log."""
    termination_log = Path(environ.get("SLIPWAY_TERMINATION_LOG", "/dev/termination-log"))
    try:
        try:
            env = RuntimeEnv.from_env(environ)
        except RuntimeEnvError as error:
            raise RuntimeFailure(Reason.INVALID_CONFIGURATION, str(error)) from error
        _set_up_libraries(Path(env.cache_dir))
        hub = HubAccess(environ.get("HF_ENDPOINT"), environ.get("HF_TOKEN"))
        return asyncio.run(run_runtime(env, hub))
    except RuntimeFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        _leave_message(termination_log, failure)
        return failure.exit_code


def _set_up_libraries(cache_dir: Path) -> None:
    # Libraries read these on import. ONNX Runtime and the hub's client would report their use to their makers.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # The hub's client keeps files of its own besides the weights; only the cache can be written.
    os.environ.setdefault("HF_HOME", str(cache_dir / "hub"))


def _leave_message(path: Path, failure: RuntimeFailure) -> None:
    try:
        path.write_text(failure.termination_message())
    except OSError as error:
        # Outside of a pod there is often no such file, and nobody who would read it.
        log.warning("no termination message in %s: %s", path, error.strerror)


if __name__ == "__main__":
    main()
