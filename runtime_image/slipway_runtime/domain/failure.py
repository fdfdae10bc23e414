"""Why a runtime gives up, and how it says so to Kubernetes."""

import json
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from slipway_crds.conditions import Reason

TERMINATION_MESSAGE_LIMIT: Final = 4096
"""Bytes of a termination message that the kubelet keeps."""

_LONGEST_ESCAPE: Final = len(r"\u0000")

EXIT_CODES: Final[Mapping[Reason, int]] = MappingProxyType(
    {
        Reason.WEIGHTS_INVALID: 65,
        Reason.WEIGHTS_NOT_FOUND: 66,
        Reason.FETCH_FAILED: 69,
        Reason.ENGINE_FAILED: 70,
        Reason.STARTUP_TIMEOUT: 75,
        Reason.WEIGHTS_FORBIDDEN: 77,
        Reason.INVALID_CONFIGURATION: 78,
        Reason.NOT_IMPLEMENTED: 78,
        Reason.ENGINE_NOT_AVAILABLE: 78,
        Reason.UNSUPPORTED_TASK: 78,
        Reason.CHAT_TEMPLATE_MISSING: 78,
        Reason.OUT_OF_MEMORY: 137,
    }
)
"""Exit code by reason, after sysexits.h; 137 is what a container killed for memory ends with."""


def signal_name(number: int) -> str:
    """A signal as people write it, ``SIGKILL``; by its number when it has no name (real-time signals)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class RuntimeFailure(Exception):  # noqa: N818 - "failure" is the domain's word; it is not always an error in the code
    """The runtime cannot go on. ``exit_code`` is the engine's own where the engine ended by itself."""

    def __init__(self, reason: Reason, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.exit_code = EXIT_CODES.get(reason, 1) if exit_code is None else exit_code

    def termination_message(self) -> str:
        """The JSON that the operator reads from the container's status, within the kubelet's limit."""
        message = self.message
        while True:
            text = json.dumps({"reason": self.reason.value, "message": message}, ensure_ascii=False)
            excess = len(text.encode()) - TERMINATION_MESSAGE_LIMIT
            if excess <= 0:
                return text
            # A character takes up to six bytes, so that many fewer never cut more than the excess.
            message = message[: -max(1, excess // _LONGEST_ESCAPE)]


def exit_status(returncode: int) -> int:
    """The code a shell would report for a process that ended with ``returncode`` (negative: the signal)."""
    return returncode if returncode >= 0 else 128 - returncode
