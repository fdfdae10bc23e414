"""Waking a model that sleeps."""

from typing import Protocol

from slipway_router.domain.models.catalogue import Model


class Waker(Protocol):
    """Starts sleeping models. Local mode starts a process; on Kubernetes the router records the demand."""

    def wake(self, model: Model) -> None:
        """Ask for ``model`` to be started; returns at once and is called once per waiting request.

        Progress shows in the catalogue: ``phase`` while it starts, ``endpoints`` when it serves, ``wakeable`` False
        with a ``reason`` when it cannot.
        """
        ...


class NoWaker:
    """For places where nothing starts models on demand."""

    def wake(self, model: Model) -> None:
        """Do nothing."""
