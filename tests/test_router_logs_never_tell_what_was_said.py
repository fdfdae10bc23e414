"""No log has a word of a prompt or an answer, nor a key, whatever becomes of a request; logs come in two formats."""

import io
import json
import logging
from typing import Any, Literal

import pytest

from slipway_crds.json_log import formatter
from slipway_router.app.options import Features, TelemetryOptions
from slipway_router.domain.errors import ErrorCode
from tests.fakes.upstream import Received, Reply, openai_like, upstream
from tests.routers import CHAT_KEY, KEY, RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"
PROMPT, ANSWER = "pomegranate-prompt", "quince-answer"
WRONG_KEY = "sk-slipway-medlar"
SECRETS = (PROMPT, ANSWER, KEY, CHAT_KEY, WRONG_KEY, "medlar")
Format = Literal["json", "pretty"]


async def engine_script(received: Received, reply: Reply) -> None:
    """Repeats the prompt, in answers, errors and half answers."""
    if b"please fail" in received.body:
        await reply.json({"error": {"message": f"cannot do {PROMPT}"}}, "400 Bad Request")
    elif b"please break" in received.body:
        await reply.begin_stream()
        await reply.event({"choices": [{"delta": {"content": f"{ANSWER} {PROMPT}"}}]})
        reply.die()
    else:
        await openai_like(received, reply)


def asking(text: str = "", **fields: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": f"{PROMPT} {text}"}], **fields)


async def ask_everything(router: RouterUnderTest) -> list[int]:
    """Requests of every kind; returns their statuses."""
    answers = [
        await router.post(CHAT, asking()),
        await router.post(CHAT, asking(stream=True)),
        await router.post(CHAT, asking(), key=WRONG_KEY),
        await router.post(CHAT, asking(), key=None, headers={"x-api-key": WRONG_KEY}),
        await router.post(CHAT, asking(model=PROMPT)),
        await router.post(CHAT, asking(model="other-b"), key=CHAT_KEY),
        await router.post(CHAT, asking("please fail")),
        await router.post(CHAT, asking(), headers={"x-request-id": f"{PROMPT} {KEY}"}),
        await router.request(
            "POST", CHAT, content=f'{{"model": "chat-a", "messages": [{{"content": "{PROMPT}'.encode()
        ),
        await router.request("POST", f"{CHAT}?key={WRONG_KEY}&q={PROMPT}", json=asking()),
        await router.request("POST", f"/v1/{PROMPT}", json=asking()),
        await router.request("POST", CHAT, json=asking(), headers={"content-encoding": PROMPT}),
        await router.post(CHAT, asking(model="gone-c")),
    ]
    async with router.streaming(asking("please break", stream=True)) as (answer, lines):
        answers.append(answer)
        async for _ in lines:
            pass
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("log_format", ["json", "pretty"])
async def test_no_secret_is_in_either_log(log_format: Format) -> None:
    program = io.StringIO()
    handler = logging.StreamHandler(program)
    handler.setFormatter(formatter(as_json=log_format == "json"))
    root = logging.getLogger()
    root.addHandler(handler)
    options = Features(telemetry=TelemetryOptions(log_format=log_format))
    try:
        async with upstream(engine_script) as engine:
            models = [model("chat-a", engine.port), model("other-b", engine.port), model("gone-c", 1)]
            async with running_router(models, features=options) as router:
                statuses = await ask_everything(router)
            log = router.log.getvalue().decode()
    finally:
        root.removeHandler(handler)
    assert statuses == [200, 200, 401, 401, 404, 403, 400, 200, 400, 200, 404, 415, 502, 200]
    # All but the path that does not exist, which is no inference request.
    assert len(log.splitlines()) == len(statuses) - 1
    assert [secret for secret in SECRETS if secret in log + program.getvalue()] == []


async def test_a_line_for_people() -> None:
    options = Features(telemetry=TelemetryOptions(log_format="pretty"))
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=options) as router:
        await router.post(CHAT, chat(), headers={"x-request-id": "r-1"})
        await router.post(CHAT, chat("no-such"), headers={"x-request-id": "r-2"})
    served, refused = router.log.getvalue().decode().splitlines()
    clock, *words = served.split("  ")
    assert len(clock) == len("15:04:05.000")
    assert words[:3] == ["200", CHAT, "chat-a"]
    assert words[4:] == ["7+3 tokens", "key=default/all", "from=127.0.0.1", "r-1"]
    assert refused.split("  ")[1:4] == ["404", CHAT, "-"]
    assert refused.endswith(f"error={ErrorCode.MODEL_NOT_FOUND.code}")


def line(log_format: Format) -> str:
    try:
        raise ValueError("what went wrong")
    except ValueError as error:
        record = logging.LogRecord("slipway_router", logging.ERROR, "", 0, "it %s", ("failed",), None)
        record.exc_info = (type(error), error, error.__traceback__)
    return formatter(as_json=log_format == "json").format(record)


def test_the_programs_log_as_json() -> None:
    fields = json.loads(line("json"))
    assert (fields["level"], fields["logger"], fields["message"]) == ("error", "slipway_router", "it failed")
    assert fields["exception"].endswith("ValueError: what went wrong")
    assert set(fields) == {"time", "level", "logger", "message", "exception"}


def test_the_programs_log_for_people() -> None:
    first, *rest = line("pretty").splitlines()
    assert first.endswith("ERROR   slipway_router: it failed")
    assert rest[-1] == "ValueError: what went wrong"
