"""How operator and router write their own logs: a JSON object or a line of text per record."""

import json
import logging
from datetime import UTC, datetime
from typing import Final

_TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def formatter(*, as_json: bool) -> logging.Formatter:
    """For machines, or for people."""
    return JsonFormatter() if as_json else logging.Formatter(_TEXT)


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Have the program's log written from ``level`` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(as_json=as_json))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # Kopf logs each handler call; what it has to complain of comes as warnings.
    logging.getLogger("kopf").setLevel(logging.WARNING)
