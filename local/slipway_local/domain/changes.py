"""What differs between two worlds, for reloading."""

from dataclasses import dataclass

from slipway_local.domain.world import World


@dataclass(frozen=True)
class Changes:
    """Names of models, each in one of the groups or, when nothing of it changed, in none."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    """The runtime was told something that no longer holds."""
    adjusted: tuple[str, ...] = ()
    """Only the router or the idle time is concerned; the runtime goes on."""


def changes_between(old: World, new: World) -> Changes:
    """How to get from ``old`` to ``new``."""
    kept = [name for name in new.models if name in old.models]
    restarted = tuple(name for name in kept if _restarts(old, new, name))
    return Changes(
        added=tuple(name for name in new.models if name not in old.models),
        removed=tuple(name for name in old.models if name not in new.models),
        restarted=restarted,
        adjusted=tuple(name for name in kept if name not in restarted and old.models[name] != new.models[name]),
    )


def _restarts(old: World, new: World, name: str) -> bool:
    before, after = old.models[name], new.models[name]
    return before.launch != after.launch or before.blocked != after.blocked
