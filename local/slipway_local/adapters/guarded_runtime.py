"""Runs a runtime that ends when the process which started it is gone, however that one ended.

Started as ``python -m slipway_local.adapters.guarded_runtime`` with a pipe as standard input. Its other end is held by
`slipway up` alone, so end-of-file there means that `slipway up` is no more, even after a SIGKILL and on every system.
"""

import os
import signal
import threading
import time
from typing import Final

_STDIN: Final = 0
_GRACE_SECONDS: Final = 5.0


def main() -> None:
    """Run the runtime; ends with its exit code."""
    threading.Thread(target=_end_with_owner, daemon=True, name="owner").start()
    # The guard stands before the slow imports, so that an owner who dies meanwhile leaves nothing behind either.
    from slipway_runtime.main import main as run_runtime

    run_runtime()


def _end_with_owner() -> None:
    while os.read(_STDIN, 4096):
        pass
    # The second signal tells the runtime not to wait for running requests: their callers are gone with the router.
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    time.sleep(_GRACE_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
