"""The keys that local mode accepts: made once and kept in files, or set by the user."""

from collections.abc import Mapping, Sequence

from slipway_crds.api_key import APIKey, APIKeyStatus, KeyHash
from slipway_crds.keys import hash_key
from slipway_local.adapters.key_files import KeyFiles, KeyStamp
from slipway_local.domain.local_keys import API_KEY_VARIABLE, checked_key, keys_or_default
from slipway_router.domain.callers.keys import KeyRing
from slipway_router.domain.models.cluster_view import key_ring_of


class LocalKeys:
    """Finds the key of each APIKey. ``given`` is the user's own, for the first of them."""

    def __init__(self, files: KeyFiles, given: str | None) -> None:
        """Raises ValueError when ``given`` can be no key."""
        self._files = files
        self._given = checked_key(given, f"${API_KEY_VARIABLE}") if given is not None else None

    def clear_text(self, keys: Sequence[APIKey]) -> dict[str, str]:
        """The key of each APIKey by its name; made and kept where there is none yet.

        Raises:
            ValueError: a name, or what is kept for it, cannot be used.
            OSError: keys cannot be kept.
        """
        names = [key.metadata.name for key in keys_or_default(keys)]
        given = {names[0]: self._given} if self._given is not None else {}
        # The first one last: other commands take the key that was used last, and it is the first that they should take.
        found = {name: given.get(name) or self._files.get_or_make(name) for name in reversed(names)}
        return {name: found[name] for name in names}

    def ring(self, keys: Sequence[APIKey], clear_text: Mapping[str, str]) -> KeyRing:
        """What the router accepts: the keys of ``clear_text``, and those before them while they are valid."""
        return key_ring_of(self._issued(key, clear_text[key.metadata.name]) for key in keys_or_default(keys))

    def stamp(self) -> KeyStamp:
        """What changes when a key does."""
        return self._files.stamp()

    def _issued(self, key: APIKey, clear_text: str) -> APIKey:
        """``key`` as it stands on a cluster once the operator has made it."""
        previous = self._files.previous(key.metadata.name)
        hashes = (KeyHash(sha256=hash_key(clear_text)), *((previous,) if previous is not None else ()))
        return key.model_copy(update={"status": APIKeyStatus(key_hashes=hashes)})
