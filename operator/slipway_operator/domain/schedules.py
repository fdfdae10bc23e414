"""Warm windows: times of the week in which a model keeps replicas (``spec.autoscaling.warmWindows``)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from slipway_crds.serving_spec import WarmWindow


class ScheduleError(ValueError):
    """A time or a time zone is none; the message says which."""


@dataclass(frozen=True)
class Warmth:
    """What the windows ask for at one moment."""

    min_replicas: int = 0
    """The largest of the windows that are open; 0 when none is."""
    changes_in: float | None = None
    """Seconds until a window opens or closes; None when none ever does."""


def warmth(windows: Iterable[WarmWindow], now: datetime) -> Warmth:
    """What ``windows`` ask for at ``now``.

    Raises:
        ScheduleError: a time or a time zone is none.
    """
    fewest, changes = 0, list[datetime]()
    for window in windows:
        zone = _zone(window.time_zone)
        local = now.astimezone(zone)
        opened, closed = _last(window.start, local), _last(window.end, local)
        if opened is not None and (closed is None or closed < opened):
            fewest = max(fewest, window.min_replicas)
        changes += [moment for text in (window.start, window.end) if (moment := _next(text, local)) is not None]
    return Warmth(fewest, (min(changes) - now).total_seconds() if changes else None)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ScheduleError(f"timeZone: nobody knows {name!r}; write for example Europe/Berlin or Etc/UTC") from None


def _last(text: str, now: datetime) -> datetime | None:
    """At ``now`` or before."""
    return next(_times(text, now + timedelta(microseconds=1), reverse=True), None)


def _next(text: str, now: datetime) -> datetime | None:
    return next(_times(text, now, reverse=False), None)


def _times(text: str, start: datetime, *, reverse: bool) -> CronSim:
    """The times that a schedule names after ``start``, or before it; without ``start`` itself."""
    try:
        return CronSim(text, start, reverse)
    except CronSimError as error:
        message = f"{text!r} is no schedule ({error}); write minute, hour, day of month, month and day of week"
        raise ScheduleError(f"{message}, for example 0 8 * * 1-5") from None
