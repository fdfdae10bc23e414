"""vLLM's command line: what Slipway adds, what the user's arguments replace, and what they may not say."""

import json
from dataclasses import replace

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.vllm import GIB, LoraAdapter, VllmServer, check_arguments, check_build, command_line

SERVER = VllmServer(
    model_path="/models/m",
    weights_bytes=5 * GIB,
    served_names=("m", "alias"),
    tasks=(Task.CHAT, Task.COMPLETIONS),
    host="0.0.0.0",
    port=8000,
    build="cpu",
    gpus=0,
    memory_bytes=16 * GIB,
    max_concurrency=None,
)
ON_GPUS = replace(SERVER, build="cuda", gpus=4)


def test_a_model_is_served_under_all_its_names() -> None:
    line = command_line(SERVER, ())
    assert line[:3] == ("--model=/models/m", "--host=0.0.0.0", "--port=8000")
    names = line.index("--served-model-name")
    assert line[names + 1 : names + 3] == ("m", "alias")


@pytest.mark.parametrize(
    ("tasks", "runner"),
    [
        ((Task.CHAT,), "generate"),
        ((Task.TRANSCRIPTIONS,), "generate"),
        ((Task.EMBEDDINGS,), "pooling"),
        ((Task.RERANK, Task.CLASSIFY), "pooling"),
    ],
)
def test_the_tasks_choose_the_runner(tasks: tuple[Task, ...], runner: str) -> None:
    assert f"--runner={runner}" in command_line(replace(SERVER, tasks=tasks), ())


@pytest.mark.parametrize(
    ("server", "flag"),
    [
        (ON_GPUS, "--tensor-parallel-size=4"),
        (replace(SERVER, max_concurrency=7), "--max-num-seqs=7"),
        (SERVER, "--enforce-eager"),
        (SERVER, f"--kv-cache-memory-bytes={4 * GIB}"),
        (replace(SERVER, memory_bytes=10 * GIB), f"--kv-cache-memory-bytes={GIB}"),
        (replace(SERVER, memory_bytes=6 * GIB), f"--kv-cache-memory-bytes={GIB // 4}"),
    ],
)
def test_what_follows_from_the_pod_is_set(server: VllmServer, flag: str) -> None:
    assert flag in command_line(server, ())


@pytest.mark.parametrize(
    ("server", "given", "absent"),
    [
        (ON_GPUS, "--tensor-parallel-size=2", "--tensor-parallel-size=4"),
        (ON_GPUS, "-tp=2", "--tensor-parallel-size=4"),
        (ON_GPUS, "--pipeline_parallel_size=4", "--tensor-parallel-size=4"),
        (replace(SERVER, max_concurrency=7), "--max-num-seqs=3", "--max-num-seqs=7"),
        (SERVER, "--no-enforce-eager", "--enforce-eager"),
        (SERVER, "--kv-cache-memory-bytes=9", f"--kv-cache-memory-bytes={4 * GIB}"),
        (SERVER, "--runner=auto", "--runner=generate"),
        (SERVER, "--allowed-media-domains=example.com", "--allowed-media-domains=remote-media-is-off.invalid"),
    ],
)
def test_the_users_arguments_win(server: VllmServer, given: str, absent: str) -> None:
    line = command_line(server, (given,))
    assert line[-1] == given
    assert absent not in line
    assert absent in command_line(server, ())


def test_gpus_are_left_to_themselves() -> None:
    line = command_line(ON_GPUS, ())
    assert not [flag for flag in line if flag.startswith(("--kv-cache", "--enforce-eager"))]


def test_adapters_are_named_and_sized() -> None:
    adapters = tuple(LoraAdapter(f"a{number}", f"/cache/a {number}", rank=number) for number in range(2, 14))
    line = command_line(replace(SERVER, adapters=adapters), ("--max-loras=2",))
    start = line.index("--lora-modules")
    assert [json.loads(text)["path"] for text in line[start + 1 : start + 13]] == [a.path for a in adapters]
    assert {"--enable-lora", "--max-lora-rank=16", "--max-cpu-loras=12", "--max-loras=2"} <= set(line)
    assert "--max-loras=8" not in line


def test_a_rank_that_vllm_does_not_take_is_refused() -> None:
    server = replace(SERVER, adapters=(LoraAdapter("wide", "/cache/wide", rank=1024),))
    with pytest.raises(RuntimeFailure, match="adapter wide: its rank is 1024") as raised:
        command_line(server, ())
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


def test_weights_beyond_the_memory_are_not_even_loaded() -> None:
    with pytest.raises(RuntimeFailure, match=r"weights are 5\.0 GiB, and there is 4\.0 GiB") as raised:
        command_line(replace(SERVER, memory_bytes=4 * GIB), ())
    assert raised.value.reason is Reason.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model=x",), r"--model: write model\.source"),
        (("--served-model-name", "x"), r"--served-model-name: write model\.servedNames"),
        (("--lora_modules=a=b",), r"--lora-modules: write spec\.adapters"),
        (("--port=1",), "--port: Slipway sets it"),
        (("--api-key=x",), "--api-key: make an APIKey"),
        (("--disable-log-stats",), "--disable-log-stats: Slipway counts"),
        (("max-model-len=5",), "'max-model-len=5' is not a flag; write it as --name=value"),
    ],
)
def test_what_is_slipways_is_refused_with_the_field_to_use(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(RuntimeFailure, match=message) as raised:
        check_arguments(arguments, (Task.CHAT,))
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


def test_generating_and_embedding_are_two_models() -> None:
    with pytest.raises(RuntimeFailure, match="cannot do both chat and embeddings, rerank; make a ModelDeployment"):
        check_arguments((), (Task.CHAT, Task.RERANK, Task.EMBEDDINGS))


def test_the_installed_vllm_must_fit_the_pod() -> None:
    assert check_build("cpu", gpus=0) == "cpu"
    assert check_build("cuda", gpus=1) == "cuda"
    with pytest.raises(RuntimeFailure, match=r"slipway\[runtime-vllm\]") as raised:
        check_build(None, gpus=0)
    assert raised.value.reason is Reason.ENGINE_NOT_AVAILABLE
    with pytest.raises(RuntimeFailure, match=r"set resources\.gpu"):
        check_build("cuda", gpus=0)


def test_a_cpu_build_beside_gpus_is_a_fallback() -> None:
    assert SERVER.device_fallback is None
    assert ON_GPUS.device_fallback is None
    assert "runtime-vllm" in str(replace(SERVER, gpus=1).device_fallback)


def test_spans_go_where_the_pod_says() -> None:
    traced = replace(SERVER, traces_endpoint="http://collector:4318/v1/traces")
    assert "--otlp-traces-endpoint=http://collector:4318/v1/traces" in command_line(traced, ())
    given = command_line(traced, ("--otlp-traces-endpoint=http://other",))
    assert [flag for flag in given if "otlp" in flag] == ["--otlp-traces-endpoint=http://other"]
    assert not [flag for flag in command_line(SERVER, ()) if "otlp" in flag]
