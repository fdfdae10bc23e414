"""How a start of a model goes: the part of a ModelDeployment's status that tells where its time goes."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from slipway_crds.base import ApiModel, Timestamp


class StartPhase(StrEnum):
    """The phases of a start, in their order. From `FETCHING` on they are the runtime's own words."""

    SCHEDULING = "scheduling"
    """The pod waits for a node."""
    PULLING = "pulling"
    """The node gets the image, mounts volumes and makes the container."""
    FETCHING = "fetching"
    """The runtime fetches the weights."""
    LOADING = "loading"
    """The engine loads them."""
    WARMING = "warming"
    """The engine answers for the first time, and is then found to be ready."""


Seconds = Annotated[float, Field(ge=0)]


class ColdStart(ApiModel):
    """One start: of the pod that is furthest while none is ready, else the latest that came to its end."""

    phase: Annotated[str, Field(max_length=32)] | None = None
    """While it goes on: `scheduling`, `pulling`, `fetching`, `loading` or `warming`."""
    started_at: Timestamp
    """When the pod was made or, of a container that was started again, when that was."""
    scheduled_seconds: Seconds | None = None
    """Until the pod had a node. This one, the next and the total are told to some tenths of a second."""
    pulled_seconds: Seconds | None = None
    """From there until the container ran."""
    fetched_seconds: Seconds | None = None
    """Fetching the weights."""
    loaded_seconds: Seconds | None = None
    """Loading them into the engine; of a `tei` container all that it does before it is ready."""
    warmed_seconds: Seconds | None = None
    """The first inference."""
    total_seconds: Seconds | None = None
    """Until the pod was ready; more than the sum of the others, which leave out the start of the runtime's program and
    the time until Kubernetes found it ready."""

    @property
    def is_finished(self) -> bool:
        """Whether it is known as a whole."""
        return self.phase is None and self.total_seconds is not None

    @property
    def seconds(self) -> dict[str, float]:
        """What is known, by `scheduled`, `pulled`, `fetched`, `loaded`, `warmed` and `total`."""
        parts = {
            "scheduled": self.scheduled_seconds,
            "pulled": self.pulled_seconds,
            "fetched": self.fetched_seconds,
            "loaded": self.loaded_seconds,
            "warmed": self.warmed_seconds,
            "total": self.total_seconds,
        }
        return {name: seconds for name, seconds in parts.items() if seconds is not None}
