"""What people read about models while they start, serve and fail."""

from collections.abc import Mapping

from slipway_local.domain.changes import Changes
from slipway_local.domain.view import ModelView, RuntimeReport, Status

_MEGABYTE = 1_000_000
_WORTH_TELLING = 0.1
"""Seconds."""
_START_PHASES = ("fetching", "loading", "warming")


def line_about(before: ModelView | None, after: ModelView) -> str | None:
    """A line for a change worth one; None for the others. ``before`` is None for a model never told of."""
    if before is not None and (before.status, before.phase) == (after.status, after.phase):
        return None
    if after.status is Status.FAILED and after.problem is not None:
        return failure(after)
    if after.status is Status.ASLEEP and after.problem is not None:
        # The failure was told; that the model may be tried again is no news of its own.
        return None
    return f"{after.name}  {describe(after)}"


def describe(view: ModelView) -> str:
    """The state of a model in a few words, without times that go on."""
    match view.status:
        case Status.READY:
            return f"ready in {seconds(view.start_seconds)}{_split(view.report)}{_device(view.report)}"
        case Status.STARTING:
            return view.phase + (_fetched(view.report) if view.phase == "fetching" else "")
        case Status.FAILED | Status.BLOCKED:
            return f"{view.status}: {view.problem.reason}: {view.problem.message}" if view.problem else view.status
        case Status.ASLEEP if view.problem is not None:
            return f"asleep after a failure ({view.problem.reason}); the next request tries again"
        case Status.ASLEEP:
            return "asleep, starts with the first request"
        case Status.EXTERNAL:
            return f"requests go to {view.provider}"
        case Status.STOPPING:
            return "stopping, lets requests finish"


def failure(view: ModelView) -> str:
    """All that helps with a model that failed: cause, last words, where the rest stands."""
    lines = [f"{view.name}  {describe(view)}"]
    message = view.problem.message if view.problem else ""
    lines += [f"    {line}" for line in view.last_words if message not in line]
    if view.log is not None:
        lines.append(f"    log: {view.log}")
    return "\n".join(lines)


def seconds(value: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``."""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def last_start(parts: Mapping[str, float]) -> str:
    """``27 s: pulled 4.5 s, fetched 12 s, …`` of what a router tells of a model's last start; empty for nothing."""
    if "total" not in parts:
        return ""
    split = ", ".join(
        f"{part} {seconds(spent)}" for part, spent in parts.items() if part != "total" and spent >= _WORTH_TELLING
    )
    return seconds(parts["total"]) + (f": {split}" if split else "")


def _split(report: RuntimeReport | None) -> str:
    """Where the time of a start went, by phase."""
    spent: Mapping[str, float] = report.phase_seconds if report else {}
    parts = [f"{phase} {seconds(spent[phase])}" for phase in _START_PHASES if spent.get(phase, 0.0) >= _WORTH_TELLING]
    return f" ({', '.join(parts)})" if parts else ""


def _device(report: RuntimeReport | None) -> str:
    """Worth a word when it is not the plain CPU."""
    if report is None or report.device in ("", "cpu"):
        fallback = report.device_fallback if report else None
        return f"; on the CPU instead of the GPU: {fallback}" if fallback else ""
    return f" on {report.device}"


def _fetched(report: RuntimeReport | None) -> str:
    if report is None or not report.bytes_fetched:
        return ""
    done = report.bytes_fetched / _MEGABYTE
    if report.bytes_total:
        return f" {done:.0f} of {report.bytes_total / _MEGABYTE:.0f} MB"
    return f" {done:.0f} MB"


def describe_changes(changes: Changes) -> str | None:
    """What a reload did, on one line; None if nothing."""
    groups = {
        "added": changes.added,
        "removed": changes.removed,
        "restarted": changes.restarted,
        "adjusted": changes.adjusted,
    }
    parts = [f"{word} {', '.join(names)}" for word, names in groups.items() if names]
    return "; ".join(parts) or None
