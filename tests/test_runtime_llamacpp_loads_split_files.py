"""A model in several GGUF files is fetched whole and served; a missing file is named."""

from pathlib import Path

import gguf
import pytest

from tests.fakes.loopback_http import QuietHandler, serving
from tests.gguf_models import tiny_llama
from tests.runtimes import runtime

pytestmark = pytest.mark.local


def split(model: Path, folder: Path) -> list[Path]:
    """``model`` in two files: its metadata and half of its tensors, then the others."""
    reader = gguf.GGUFReader(model)
    half = len(reader.tensors) // 2
    parts = []
    for number, tensors in enumerate((reader.tensors[:half], reader.tensors[half:])):
        path = folder / f"tiny-{number + 1:05}-of-00002.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if number == 0:
            copy_metadata(reader, writer)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in tensors:
            writer.add_tensor(tensor.name, tensor.data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        parts.append(path)
    return parts


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        writer.add_key_value(
            name, field.contents(), kind, field.types[-1] if kind is gguf.GGUFValueType.ARRAY else None
        )


def test_a_folder_with_all_parts_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    split(tiny_llama(tmp_path / "whole.gguf"), folder)
    with runtime(tmp_path, engine="llamacpp", model_source=f"file://{folder}") as process:
        process.wait_for_phase("ready")


def test_the_parts_behind_one_address_are_all_fetched(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    first, second = split(tiny_llama(tmp_path / "whole.gguf"), folder)
    asked = []

    class Files(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - named by the base class
            asked.append(self.path)
            self.answer(200, (folder / Path(self.path).name).read_bytes())

    with serving(Files) as url:
        source = f"{url}/weights/{first.name}"
        with runtime(tmp_path, engine="llamacpp", model_source=source) as process:
            process.wait_for_phase("ready")
    assert asked == [f"/weights/{first.name}", f"/weights/{second.name}"]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    _, second = split(tiny_llama(tmp_path / "whole.gguf"), folder)
    second.unlink()
    with runtime(tmp_path, engine="llamacpp", model_source=f"file://{folder}") as process:
        assert process.wait_for_exit() == 65
        assert f"missing: {second.name}" in process.termination_message()["message"]
