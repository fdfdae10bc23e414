import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster.archives import ScratchImage, references


@pytest.fixture
def image(tmp_path: Path) -> ScratchImage:
    program = tmp_path / "hello"
    program.write_bytes(b"\x7fELF")
    return ScratchImage("hello", program)


def test_archive_names_the_image(image: ScratchImage, tmp_path: Path) -> None:
    assert references(image.write(tmp_path / "images")) == [image.reference]


def test_tag_changes_with_the_content(image: ScratchImage) -> None:
    before = image.reference
    image.program.write_bytes(b"\x7fELF other")
    assert image.reference != before


def test_configuration_names_the_layer_by_its_digest(image: ScratchImage, tmp_path: Path) -> None:
    with tarfile.open(image.write(tmp_path / "images")) as archive:
        files = {name: archive.extractfile(name) for name in archive.getnames()}
        content = {name: file.read() for name, file in files.items() if file is not None}
    digest = f"sha256:{hashlib.sha256(content['layer.tar']).hexdigest()}"
    assert json.loads(content["config.json"])["rootfs"]["diff_ids"] == [digest]


def test_an_archive_that_exists_is_not_written_again(image: ScratchImage, tmp_path: Path) -> None:
    first = image.write(tmp_path / "images")
    before = first.stat().st_mtime_ns
    assert image.write(tmp_path / "images") == first
    assert first.stat().st_mtime_ns == before
