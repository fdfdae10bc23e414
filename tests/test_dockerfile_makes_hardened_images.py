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
}


@pytest.mark.parametrize("target", sorted(PROGRAMS))
def test_an_image_runs_one_program_as_an_ordinary_user(target: str) -> None:
    stage = STAGES[target]
    assert stage.startswith("FROM base AS ")
    assert stage.rstrip().endswith(f'ENTRYPOINT ["{PROGRAMS[target]}"]')
    assert "\nUSER 10001:10001\n" in stage


@pytest.mark.parametrize("target", sorted(PROGRAMS))
def test_code_comes_after_dependencies(target: str) -> None:
    copied = re.findall(r"^COPY --from=(\S+)", STAGES[target], re.MULTILINE)
    assert copied[0] == f"{target}-dependencies"
    assert copied[-1].endswith("-code")


def test_every_builder_understands_the_instructions() -> None:
    instructions = {line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"^[A-Z]+ ", line)}
    assert instructions <= {"ARG", "FROM", "RUN", "ENV", "LABEL", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT"}
    assert not re.search(
        r"--(mount|link|chmod|chown|parents|network|security)\b|<<|^# syntax", DOCKERFILE, re.MULTILINE
    )
