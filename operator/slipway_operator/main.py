"""The command ``slipway-operator``."""

import asyncio
import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

from slipway_operator.adapters.kube_api import CredentialsError
from slipway_operator.adapters.lease import LeadershipLostError
from slipway_operator.app.operator import run
from slipway_operator.app.settings import Settings, SettingsError

_TEXT_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_log: Final = logging.getLogger("slipway_operator")


def main() -> None:
    """Run the operator until it is told to end; exit status 1 for a wrong setting and when it lost the Lease."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"slipway-operator: {error}")
    _configure_logging(settings)
    try:
        asyncio.run(run(settings, os.environ.get("KUBECONFIG") or None))
    except* LeadershipLostError as lost:
        _log.error("%s; ending", lost.exceptions[0])
        sys.exit(1)
    except* (CredentialsError, OSError) as failed:
        sys.exit(f"slipway-operator: {failed.exceptions[0]}")


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _configure_logging(settings: Settings) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT_FORMAT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    # Kopf logs each handler call; what it has to complain of comes as warnings.
    logging.getLogger("kopf").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
