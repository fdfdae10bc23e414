"""Uploads as ``multipart/form-data`` are routed by their field ``model``, wherever it stands, and forwarded as is."""

import io

import pytest

from slipway_crds.engines import EngineType, Task
from slipway_router.domain.errors import RequestError
from slipway_router.domain.requests.forms import MAX_PART_HEAD, MAX_PARTS, FormCall, boundary_of, read_form
from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import model, running_router

SOUND = b"RIFF\r\n--not-the-boundary\r\n\x00\xff" * 50


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


FILE = part("file", SOUND, '; filename="a.wav"\r\nContent-Type: audio/wav')

READ = [
    ("model first", form(part("model", b"m"), FILE), FormCall("m", stream=False)),
    ("model last, as curl's users write it", form(FILE, part("model", b"m")), FormCall("m")),
    ("a stream", form(part("model", b"m"), part("stream", b"true")), FormCall("m", stream=True)),
    ("no stream", form(part("stream", b"false"), part("model", b"m")), FormCall("m")),
    ("no model", form(FILE), FormCall(None)),
    ("an empty one", form(part("model", b"")), FormCall("")),
    ("a file that holds a form", form(part("file", b'name="model"\r\n\r\nx'), part("model", b"m")), FormCall("m")),
]


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in READ], ids=[row[0] for row in READ])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_what_a_form_says(body: bytes, expected: FormCall, kind: type) -> None:
    found = read_form(kind(body), b"b")
    assert (found.model, found.stream) == (expected.model, expected.stream)
    assert body[slice(*found.model_at)] == (expected.model or "").encode()


REFUSED = [
    (b"", "does not begin"),
    (b'{"model": "m"}', "does not begin"),
    (b"--b\r\nContent-Disposition: form-data", "no end"),
    (part("model", b"m"), "no end"),
    (b"--bx" + form(part("model", b"m"))[3:], "no end"),
    (form(part("model", b"m"), part("model", b"n")), "'model' comes twice"),
    (form(part("model", b"m", "\r\nX: " + "y" * MAX_PART_HEAD)), "no end"),
    (form(*[part("x", b"")] * (MAX_PARTS + 1)), "more than"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_what_is_no_form_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        read_form(body, b"b")


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 300])
def test_a_form_needs_a_boundary(kind: bytes) -> None:
    with pytest.raises(RequestError, match="boundary"):
        boundary_of({b"content-type": kind})


@pytest.mark.parametrize("kind", [b"application/json", b"", b"text/plain; boundary=b"])
def test_other_bodies_are_no_forms(kind: bytes) -> None:
    assert boundary_of({b"content-type": kind}) is None


async def transcribes(received: Received, reply: Reply) -> None:
    await reply.json({"text": "hello"})


@pytest.mark.local
async def test_an_openai_client_uploads_speech() -> None:
    async with upstream(transcribes) as engine:
        able = model("ears", engine.port, tasks=frozenset({Task.TRANSCRIPTIONS}))
        async with running_router([able]) as router:
            client = router.openai()
            answer = await client.audio.transcriptions.create(model="ears", file=("a.wav", io.BytesIO(SOUND)))
    assert answer.text == "hello"
    (seen,) = engine.requests
    assert SOUND in seen.body
    assert seen.headers["content-type"].startswith("multipart/form-data; boundary=")


async def paints(received: Received, reply: Reply) -> None:
    await reply.json({"created": 1, "data": [{"b64_json": "eA=="}]})


@pytest.mark.local
async def test_an_openai_client_edits_a_picture() -> None:
    async with upstream(paints) as engine:
        able = model("brush", engine.port, engine=EngineType.DIFFUSERS, tasks=frozenset({Task.IMAGES}))
        async with running_router([able]) as router:
            answer = await router.openai().images.edit(model="brush", image=("a.png", SOUND), prompt="a cat")
    assert answer.data is not None
    assert answer.data[0].b64_json == "eA=="
    assert SOUND in engine.requests[0].body


@pytest.mark.local
async def test_a_form_without_a_model_is_refused() -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    async with running_router() as router:
        answer = await router.request("POST", "/v1/images/edits", content=form(FILE), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing_required_parameter")
