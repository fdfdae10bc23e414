"""The command ``slipway-operator``."""

import asyncio
import logging
import os
import sys
from typing import Final

from slipway_crds.json_log import log_to_stderr
from slipway_operator.adapters.kube_api import CredentialsError
from slipway_operator.adapters.lease import LeadershipLostError
from slipway_operator.app.operator import run
from slipway_operator.app.settings import Settings, SettingsError

_log: Final = logging.getLogger("slipway_operator")


def main() -> None:
    """Run the operator until it is told to end; exit status 1 for a wrong setting and when it lost the Lease."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"slipway-operator: {error}")
    log_to_stderr(settings.log_level, as_json=settings.log_format == "json")
    try:
        while asyncio.run(run(settings, os.environ.get("KUBECONFIG") or None)):
            pass
    except* LeadershipLostError as lost:
        _log.error("%s; ending", _first(lost))
        sys.exit(1)
    except* (CredentialsError, OSError) as failed:
        sys.exit(f"slipway-operator: {_first(failed)}")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What lies in a group, maybe within further ones."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


if __name__ == "__main__":
    main()
