"""A model is ready only when its warm-up requests got a 200."""

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.adapters.warmup import send_warm_ups
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.warmup import warm_ups
from tests.fakes.loopback_http import QuietHandler, serving
from tests.runtimes import free_port

pytestmark = pytest.mark.local


class Completions(QuietHandler):
    """Answers completions; chat fails; there is nothing else."""

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        self.rfile.read(int(self.headers["Content-Length"]))
        match self.path:
            case "/v1/completions":
                self.answer(200, b"{}")
            case "/v1/chat/completions":
                self.answer(500, b"the chat template is broken")
            case _:
                self.answer(404, b"Not Found")


async def test_a_200_is_enough() -> None:
    with serving(Completions) as url:
        await send_warm_ups(warm_ups([Task.COMPLETIONS], "m"), "127.0.0.1", int(url.rpartition(":")[2]))


async def test_an_error_is_the_engines_failure_with_its_words() -> None:
    requests = warm_ups([Task.COMPLETIONS, Task.CHAT], "m")
    with serving(Completions) as url, pytest.raises(RuntimeFailure, match="HTTP 500: the chat template is") as raised:
        await send_warm_ups(requests, "127.0.0.1", int(url.rpartition(":")[2]))
    assert raised.value.reason is Reason.ENGINE_FAILED
    assert "/v1/chat/completions" in raised.value.message


async def test_a_path_that_is_not_there_is_a_task_that_the_model_cannot_do() -> None:
    with serving(Completions) as url, pytest.raises(RuntimeFailure, match="/v1/rerank failed: HTTP 404") as raised:
        await send_warm_ups(warm_ups([Task.RERANK], "m"), "127.0.0.1", int(url.rpartition(":")[2]))
    assert raised.value.reason is Reason.UNSUPPORTED_TASK


async def test_nobody_listening_is_the_engines_failure() -> None:
    with pytest.raises(RuntimeFailure, match="ConnectError"):
        await send_warm_ups(warm_ups([Task.EMBEDDINGS], "m"), "127.0.0.1", free_port())


def test_tasks_without_a_cheap_request_are_left_out() -> None:
    assert warm_ups([Task.TRANSCRIPTIONS, Task.IMAGES], "m") == warm_ups([Task.IMAGES], "m")
    assert [request.path for request in warm_ups([Task.RERANK], "m")] == ["/v1/rerank"]
