"""What ``status`` shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """One part of a cluster. ``detail`` says what is wrong, or adds something worth knowing."""

    name: str
    healthy: bool
    pid: int | None = None
    detail: str = ""

    def row(self) -> tuple[str, str, str, str]:
        """Return the component as a line of a table."""
        return self.name, str(self.pid or "-"), "ok" if self.healthy else "FAILED", self.detail


@dataclass(frozen=True)
class Report:
    """The state of a cluster."""

    components: tuple[Component, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is a cluster and every part of it is healthy."""
        return bool(self.components) and all(component.healthy for component in self.components)

    def __str__(self) -> str:
        if not self.components:
            return "down"
        rows = [("COMPONENT", "PID", "HEALTH", ""), *(component.row() for component in self.components)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ("  ".join((*(row[i].ljust(widths[i]) for i in range(3)), row[3])).rstrip() for row in rows)
        return "\n".join(lines)
