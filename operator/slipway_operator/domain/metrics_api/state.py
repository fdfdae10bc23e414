"""Whether autoscalers get the metrics that they follow."""

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


@dataclass(frozen=True, slots=True)
class Keda:
    """KEDA, where it scales models."""

    prometheus_url: str
    """Of the Prometheus that has the pods' metrics, as KEDA reaches it."""
    served: bool
    """Whether the API server knows ScaledObjects: whether KEDA is installed."""


SETTING_UP: Final = RegistrationState(None, "the metrics API is being set up")
ELSEWHERE: Final = RegistrationState(True, "somebody else serves the metrics of models")
"""Another program, prometheus-adapter for one, is trusted to answer; autoscalers themselves tell when it does not."""
