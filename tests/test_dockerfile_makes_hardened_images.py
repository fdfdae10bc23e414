import re
from pathlib import Path

import pytest

DOCKERFILE = (Path(__file__).parent.parent / "Dockerfile").read_text()
STAGES = {
    match[2]: match[0]
    for match in re.finditer(r"^FROM (\S+) AS (\S+)\n.*?(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
}
PROGRAMS = {
    "operator": "slipway-operator",
    "router": "slipway-router",
    "runtime-llamacpp": "slipway-runtime",
    "runtime-onnx": "slipway-runtime",
    "runtime-vllm": "slipway-runtime",
    "runtime-vllm-cpu": "slipway-runtime",
    "runtime-diffusers": "slipway-runtime",
}
ON_PYTORCH = {"runtime-vllm-cpu", "runtime-diffusers"}


@pytest.mark.parametrize("target", sorted(PROGRAMS))
def test_an_image_runs_one_program_as_an_ordinary_user(target: str) -> None:
    stage = STAGES[target]
    assert stage.startswith(f"FROM {'torch' if target in ON_PYTORCH else 'base'} AS ")
    assert stage.rstrip().endswith(f'ENTRYPOINT ["{PROGRAMS[target]}"]')
    assert "\nUSER 10001:10001\n" in stage


@pytest.mark.parametrize("target", sorted(PROGRAMS))
def test_code_comes_after_dependencies(target: str) -> None:
    steps = re.findall(r"^(?:COPY|RUN) .*?(?<!\\)$", STAGES[target], re.MULTILINE | re.DOTALL)
    assert re.match(r"COPY --from=\S+-code /opt/slipway /opt/slipway$", steps[-1])
    assert not any("-code" in step for step in steps[:-1])


def test_images_on_pytorch_share_its_layer() -> None:
    # What is copied from a stage is a layer of each image; what an image is built on is stored once.
    assert STAGES["torch"].startswith("FROM base AS ")
    assert all("--from=torch" not in stage for stage in STAGES.values())
    assert all("USER" not in line for line in STAGES["torch"].splitlines())


@pytest.mark.parametrize("target", sorted(PROGRAMS))
def test_what_installs_stays_outside(target: str) -> None:
    used = re.findall(r"--mount=(\S+)", STAGES[target] + STAGES["torch"])
    assert set(used) <= {"type=bind,from=build,source=/opt/build,target=/opt/build"}
    assert "/opt/build" not in re.sub(r"--mount=\S+", "", STAGES[target])


def test_every_builder_understands_the_instructions() -> None:
    instructions = {line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"^[A-Z]+ ", line)}
    assert instructions <= {"ARG", "FROM", "RUN", "ENV", "LABEL", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT"}
    assert not re.search(r"--(link|chmod|chown|parents|network|security)\b|<<|^# syntax", DOCKERFILE, re.MULTILINE)
    assert {mount.split(",")[0] for mount in re.findall(r"--mount=(\S+)", DOCKERFILE)} == {"type=bind"}
