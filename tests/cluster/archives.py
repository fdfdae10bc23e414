"""Container images of a single static program, written as archives that Docker and containerd load."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScratchImage:
    """An image ``FROM scratch`` with one program in it, at ``/NAME``."""

    name: str
    program: Path
    user: str = "65532:65532"

    @property
    def reference(self) -> str:
        """The image's name, tagged with a hash of its content."""
        digest = hashlib.sha256(f"{self.name} {self.user} ".encode() + self.program.read_bytes())
        return f"localhost/{self.name}:{digest.hexdigest()[:12]}"

    def write(self, folder: Path) -> Path:
        """Write the archive into ``folder`` unless it is there, and return its path.

        The format is Docker's image specification 1.2: a layer, a configuration, a manifest that names both.
        """
        target = folder / f"{self.reference.rpartition('/')[2].replace(':', '-')}.tar"
        if target.exists():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        layer = _tar({self.name: self.program.read_bytes()}, mode=0o755)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{self.name}"], "User": self.user},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [self.reference], "Layers": ["layer.tar"]}]
        files = {
            "layer.tar": layer,
            "config.json": json.dumps(config).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
        unfinished = target.with_suffix(".part")
        unfinished.write_bytes(_tar(files, mode=0o644))
        unfinished.replace(target)
        return target


def references(archive: Path) -> list[str]:
    """Return the names of the images in a Docker archive."""
    with tarfile.open(archive) as opened:
        member = opened.extractfile("manifest.json")
        if member is None:
            return []
        return [tag for image in json.load(member) for tag in image["RepoTags"] or []]


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
