"""Whether autoscalers reach the metrics API."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """How the registration of the metrics API with the API server stands."""

    registered: bool | None
    """None while that is not known yet."""
    message: str
    foreign: tuple[str, ...] = ()
    """APIServices of somebody else who serves the API."""

    @property
    def problem(self) -> str | None:
        """Why autoscalers do not reach our metrics; None when they do, and when that is not known yet."""
        return self.message if self.registered is False else None


SETTING_UP: Final = RegistrationState(None, "the metrics API is being set up")
