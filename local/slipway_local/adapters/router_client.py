"""Asking a router, as any caller would."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import httpx2

_TIMEOUTS: Final = httpx2.Timeout(10.0, read=600.0)
"""A model that sleeps takes its time for the first byte."""
_PAGE_GROUPS: Final = "10000"
"""The most that a router tells at once."""
_EVENT: Final = "data: "
_END: Final = "[DONE]"


class RouterError(Exception):
    """The router cannot be reached or refuses; the message says why."""


class RouterClient:
    """One router at ``url``, without ``/v1``."""

    def __init__(self, client: httpx2.Client, url: str) -> None:
        self._client = client
        self._url = url

    def models(self) -> list[dict[str, Any]]:
        """The models that the key opens. Raises RouterError."""
        with _errors(self._url):
            answer = self._client.get("/v1/models")
            _refuse_errors(answer)
            models: list[dict[str, Any]] = answer.json()["data"]
            return models

    def usage(self, *, everyone: bool, **filters: str) -> list[dict[str, Any]]:
        """What the key or, for admin keys, ``everyone`` used: every group, however many pages. Raises RouterError."""
        groups: list[dict[str, Any]] = []
        page: int | None = 0
        with _errors(self._url):
            while page is not None:
                parameters = {"limit": _PAGE_GROUPS, **filters, "page": str(page)}
                answer = self._client.get("/admin/usage" if everyone else "/v1/usage", params=parameters)
                _refuse_errors(answer)
                found = answer.json()
                groups += found["data"]
                page = found["next_page"]
        return groups

    def chat(self, model: str, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """The answer, piece by piece as it comes. Raises RouterError."""
        body = {"model": model, "messages": list(messages), "stream": True}
        with _errors(self._url), self._client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.is_error:
                answer.read()
                _refuse_errors(answer)
            for line in answer.iter_lines():
                if line.startswith(_EVENT) and line[len(_EVENT) :] != _END:
                    yield _piece(json.loads(line[len(_EVENT) :]))


@contextmanager
def router_client(url: str, key: str | None) -> Iterator[RouterClient]:
    """A client for the router at ``url``; ``/v1`` at its end may be there or not."""
    base = url.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        client = httpx2.Client(base_url=base, headers=headers, timeout=_TIMEOUTS)
    except httpx2.InvalidURL as error:
        raise RouterError(f"{url} is no URL ({error}); write for example http://127.0.0.1:8080") from None
    with client:
        yield RouterClient(client, base)


def _piece(event: dict[str, Any]) -> str:
    if "error" in event:
        raise RouterError(str(event["error"].get("message", event["error"])))
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")


def _refuse_errors(answer: httpx2.Response) -> None:
    if not answer.is_error:
        return
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.reason_phrase
    raise RouterError(f"{message} (HTTP {answer.status_code})")


@contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.ConnectError:
        raise RouterError(f"nothing answers at {url}; start `slipway up FILE`, or name the router by --url") from None
    except httpx2.HTTPError as error:
        raise RouterError(f"{url}: {str(error) or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError):
        raise RouterError(f"{url} does not answer like a router of Slipway; check --url") from None
