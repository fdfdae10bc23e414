"""The keys of local mode as `slipway keys` changes them; a running `slipway up` follows."""

import os
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import yaml

from slipway_crds.api_key import APIKey, Rotation
from slipway_crds.duration import parse_duration
from slipway_local.adapters.key_files import KeyFiles
from slipway_local.domain.key_orders import KeyOrder, KnownKey, UnusableKeyError, known_key
from slipway_local.domain.places import API_KEYS_FOLDER, KEYS_FOLDER

_NAMESPACE: Final = "default"
_DEFAULT_OVERLAP: Final = parse_duration(Rotation.model_fields["overlap"].default)


class LocalKeyStore:
    """Keys below the state folder: APIKeys that were made here, and the clear text of all."""

    def __init__(self, state_dir: Path) -> None:
        self._documents = state_dir / API_KEYS_FOLDER
        self._files = KeyFiles(state_dir / KEYS_FOLDER)

    def list(self) -> Sequence[KnownKey]:
        """Every key; of those that YAML files of the user's declare, only the name is known here."""
        made = {key.metadata.name: key for key in map(_read, sorted(self._documents.glob("*.yaml")))}
        names = sorted({*made, *self._files.names()})
        return [known_key(made[name]) if name in made else KnownKey(name) for name in names]

    def show(self, name: str) -> str:
        """The key."""
        key = self._files.get(name)
        if key is None:
            raise UnusableKeyError(self._unknown(name))
        return key

    def create(self, order: KeyOrder) -> str:
        """Make the APIKey and its key."""
        path = self._document(order.name)
        if path.exists() or order.name in self._files.names():
            raise UnusableKeyError(f"there is a key {order.name} already")
        self._documents.mkdir(parents=True, exist_ok=True, mode=0o700)
        manifest = order.manifest(_NAMESPACE, datetime.now(UTC), str(uuid.uuid4()))
        key = self._files.get_or_make(order.name)
        _write(path, yaml.safe_dump(manifest, sort_keys=False))
        return key

    def rotate(self, name: str, overlap: float | None = None) -> str:
        """Make another key; the one until now stays valid for ``overlap`` seconds, the resource's default for None."""
        if name not in self._files.names():
            raise UnusableKeyError(self._unknown(name))
        return self._files.replace(name, _DEFAULT_OVERLAP if overlap is None else overlap)

    def revoke(self, name: str) -> str:
        """Make the key worthless; gives a sentence that says what became of it."""
        path = self._document(name)
        if path.exists():
            path.unlink()
            self._files.remove(name)
            return f"key {name} is revoked"
        self.rotate(name, 0)
        return f"the key of {name} is revoked; its APIKey stands in a file of yours, so there is another one"

    def _document(self, name: str) -> Path:
        self._files.check(name)
        return self._documents / f"{name}.yaml"

    def _unknown(self, name: str) -> str:
        names = ", ".join(self._files.names())
        known = f"there are: {names}" if names else "none yet; `slipway up FILE` makes one"
        return f"no key {name}; {known}"


def _read(path: Path) -> APIKey:
    try:
        return APIKey.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValueError) as error:
        raise UnusableKeyError(
            f"{path} holds no APIKey; mend it, or remove it and make the key anew: {error}"
        ) from None


def _write(path: Path, text: str) -> None:
    """The file appears whole, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).replace(path)
