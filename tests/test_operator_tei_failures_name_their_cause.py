"""The last lines of a TEI container become the reason and message of the model."""

import pytest

from slipway_operator.domain.pods import diagnose, pod_of

FORBIDDEN = """{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"Starting download"}
Error: Could not download model artifacts

Caused by:
    0: request error: HTTP status client error (401 Unauthorized) for url (https://huggingface.co/org/repo)
    1: HTTP status client error (401 Unauthorized) for url (https://huggingface.co/org/repo)
"""
ARGUMENT = """error: unexpected argument '--poling' found

  tip: a similar argument exists: '--pooling'

Usage: text-embeddings-router --pooling <POOLING>

For more information, try '--help'.
"""
PANIC = """thread 'main' panicked at router/src/lib.rs:144:62:
tokenizer.json not found. text-embeddings-inference only supports fast tokenizers: Error("No such file")
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
CASES = {
    # case: (end of the log, reason, words of the message)
    "a repository that is closed or not there": (FORBIDDEN, "WeightsForbidden", "401 Unauthorized"),
    "a revision that is not there": (
        FORBIDDEN.replace("401 Unauthorized", "404 Not Found"),
        "WeightsNotFound",
        "Could not download model artifacts",
    ),
    "no network": (
        "Error: Could not download model artifacts\n\nCaused by:\n    dns error: failed to lookup address\n",
        "FetchFailed",
        "Caused by: dns error",
    ),
    "a wrong argument": (ARGUMENT, "InvalidConfiguration", "a similar argument exists: '--pooling'"),
    "no pooling": (
        "Error: The `--pooling` arg is not set and we could not find a pooling configuration\n",
        "WeightsInvalid",
        "`--pooling` arg is not set",
    ),
    "no tokenizer": (PANIC, "WeightsInvalid", "only supports fast tokenizers"),
    "GPU memory": (
        'Error: Could not create backend\n\nCaused by:\n    DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")\n',
        "OutOfMemory",
        "CUDA_ERROR_OUT_OF_MEMORY",
    ),
    "something else": ("Error: Model backend is not healthy\n", "EngineFailed", "Model backend is not healthy"),
    "no last words": ('{"level":"INFO","message":"Starting"}\n', "CrashLoopBackOff", "exit code 1"),
}


def pod(engine: str, log: str) -> dict[str, object]:
    state = {"terminated": {"reason": "Error", "exitCode": 1, "message": log}}
    status = {"phase": "Running", "containerStatuses": [{"name": "runtime", "image": "tei:1", "state": state}]}
    return {"metadata": {"name": "m-1", "labels": {"slipway.dev/engine": engine}}, "status": status}


@pytest.mark.parametrize(("log", "reason", "words"), CASES.values(), ids=CASES)
def test_the_end_of_a_log(log: str, reason: str, words: str) -> None:
    found = diagnose(pod_of(pod("tei", log)))
    assert found is not None
    assert found.reason == reason
    assert words in found.message
    assert "Usage:" not in found.message
    assert "RUST_BACKTRACE" not in found.message


def test_other_engines_logs_are_not_read_so() -> None:
    found = diagnose(pod_of(pod("vllm", FORBIDDEN)))
    assert found is not None
    assert found.reason == "CrashLoopBackOff"
