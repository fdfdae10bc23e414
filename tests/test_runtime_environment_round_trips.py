import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_crds.engines import EngineType, Task
from slipway_crds.runtime_env import RuntimeAdapter, RuntimeEnv, RuntimeEnvError

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=10)


@given(
    st.builds(
        RuntimeEnv,
        model_name=words,
        model_source=words,
        engine=st.sampled_from(EngineType),
        served_names=st.lists(words, max_size=3).map(tuple),
        tasks=st.lists(st.sampled_from(Task), max_size=3, unique=True).map(tuple),
        engine_args=st.lists(st.text(max_size=10), max_size=3).map(tuple),
        adapters=st.lists(st.builds(RuntimeAdapter, name=words, source=words), max_size=3).map(tuple),
        gpu_count=st.integers(0, 8),
        max_concurrency=st.none() | st.integers(1, 99),
        data_port=st.integers(1, 65535),
    )
)
def test_what_the_operator_writes_the_runtime_reads(env: RuntimeEnv) -> None:
    assert RuntimeEnv.from_env(env.to_env() | {"PATH": "/bin"}) == env


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"SLIPWAY_ENGINE": "gpt"}, "SLIPWAY_ENGINE: Input should be 'vllm'"),
        ({"SLIPWAY_DATA_PORT": "http"}, "SLIPWAY_DATA_PORT: Input should be a valid integer"),
        ({"SLIPWAY_DRAIN_TIMEOUT": "5"}, "SLIPWAY_DRAIN_TIMEOUT: .*write for example 500ms"),
        ({"SLIPWAY_ENGINE_ARGS": "--ctx-size=1"}, 'SLIPWAY_ENGINE_ARGS is not a JSON list .*"--ctx-size=2048"'),
        ({"SLIPWAY_ADAPTERS": "sql"}, 'SLIPWAY_ADAPTERS is not a JSON list .*"source": "hf://org/repo"'),
        ({"SLIPWAY_ADAPTERS": '[{"name": "sql"}]'}, r"SLIPWAY_ADAPTERS\[0\]\.source: Field required"),
        ({"SLIPWAY_MODEL_NAME": ""}, "SLIPWAY_MODEL_NAME: String should have at least 1 character"),
    ],
)
def test_a_wrong_variable_is_named(changed: dict[str, str], message: str) -> None:
    good = {"SLIPWAY_MODEL_NAME": "m", "SLIPWAY_MODEL_SOURCE": "demo://chat", "SLIPWAY_ENGINE": "dummy"}
    with pytest.raises(RuntimeEnvError, match=message):
        RuntimeEnv.from_env(good | changed)
