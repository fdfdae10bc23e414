"""``/api``: one prompt or chat in, its text out."""

from starlette.responses import PlainTextResponse, Response

from slipway_router.adapters.api.dispatch import Call, Handlers, json_response
from slipway_router.adapters.api.inner_calls import InnerCalls
from slipway_router.adapters.api.texts import PassedOn, streamed, whole
from slipway_router.domain.api.chat_bodies import ChatRequest, GenerateRequest
from slipway_router.domain.api.simple_calls import EngineCall, chat_call, generate_call, options_of, writers
from slipway_router.domain.models.catalogue import CatalogueStore


class SimpleApi:
    """Its calls."""

    def __init__(self, store: CatalogueStore, calls: InnerCalls) -> None:
        self._store = store
        self._calls = calls

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {
            "list_llms": self._list,
            "generate": self._whole,
            "chat": self._whole,
            "generate_stream": self._stream,
            "chat_stream": self._stream,
        }

    async def _list(self, call: Call) -> Response:
        models = [
            {"name": name, "state": model.state, "engine": model.engine, "tasks": sorted(model.tasks)}
            for name, model in writers(self._store.current, call.caller)
        ]
        return json_response({"models": models})

    async def _whole(self, call: Call) -> Response:
        try:
            said, headers = await whole(self._calls, call, self._engine_call(call, stream=False))
        except PassedOn as answered:
            return answered.response
        if call.request.headers.get("accept", "").startswith("text/plain"):
            return PlainTextResponse(said.text, headers=headers)
        content = {
            "model": said.model or call.body.model,
            "text": said.text,
            "finish_reason": said.finish_reason,
            "usage": said.usage,
        }
        return json_response(content, headers=headers)

    async def _stream(self, call: Call) -> Response:
        try:
            return await streamed(self._calls, call, self._engine_call(call, stream=True))
        except PassedOn as answered:
            return answered.response

    def _engine_call(self, call: Call, *, stream: bool) -> EngineCall:
        body: GenerateRequest | ChatRequest = call.body
        if isinstance(body, ChatRequest):
            options = options_of(body.model_dump(exclude={"model", "messages"}))
            return chat_call(body.model, [turn.model_dump() for turn in body.messages], options, stream=stream)
        options = options_of(body.model_dump(exclude={"model", "prompt", "system"}))
        return generate_call(self._store.current, body.model, body.prompt, body.system, options, stream=stream)
