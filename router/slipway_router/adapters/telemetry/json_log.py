"""How the program's own log is written: a JSON object or a line of text per record.

The operator's log has the same names of fields.
"""

import logging
from datetime import UTC, datetime
from typing import Final, Literal

import orjson

LogFormat = Literal["json", "pretty"]
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
        return orjson.dumps(fields).decode()


def formatter_of(log_format: LogFormat) -> logging.Formatter:
    """For machines, or for people."""
    return JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT)
