"""Everything that can go wrong with a request, and what the caller is told.

One table: an `ErrorCode` fixes the HTTP status and OpenAI's ``type``; the message says what to do. The error object is
that of the API the path belongs to (`Dialect`). Messages of 5xx errors never repeat what an engine or a library said.
"""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final

from slipway_router.domain.api.dialects import Dialect, error_body

FIRST_ERROR: Final = 400
"""Answers with this status and those above it are errors; a number, since looking at an enumeration takes a while."""
_INVALID = "invalid_request_error"
_SERVER = "server_error"


class ErrorCode(Enum):
    """The ``code`` of an error, its HTTP status and its ``type``."""

    INVALID_API_KEY = ("invalid_api_key", HTTPStatus.UNAUTHORIZED, "authentication_error")
    EXPIRED_API_KEY = ("expired_api_key", HTTPStatus.UNAUTHORIZED, "authentication_error")
    REVOKED_API_KEY = ("key_revoked", HTTPStatus.UNAUTHORIZED, "authentication_error")
    INVALID_TOKEN = ("invalid_token", HTTPStatus.UNAUTHORIZED, "authentication_error")
    EXPIRED_TOKEN = ("expired_token", HTTPStatus.UNAUTHORIZED, "authentication_error")
    ADMIN_REQUIRED = ("admin_required", HTTPStatus.FORBIDDEN, "permission_error")
    NOT_ENABLED = ("not_enabled", HTTPStatus.FORBIDDEN, "permission_error")
    ORIGIN_NOT_ALLOWED = ("origin_not_allowed", HTTPStatus.FORBIDDEN, "permission_error")
    MODEL_NOT_ALLOWED = ("model_not_allowed", HTTPStatus.FORBIDDEN, "permission_error")
    MODEL_NOT_FOUND = ("model_not_found", HTTPStatus.NOT_FOUND, _INVALID)
    UNSUPPORTED_TASK = ("unsupported_task", HTTPStatus.NOT_FOUND, _INVALID)
    SESSION_NOT_FOUND = ("session_not_found", HTTPStatus.NOT_FOUND, _INVALID)
    UNKNOWN_PATH = ("unknown_path", HTTPStatus.NOT_FOUND, _INVALID)
    METHOD_NOT_ALLOWED = ("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, _INVALID)
    INVALID_HTTP = ("invalid_http", HTTPStatus.BAD_REQUEST, _INVALID)
    INVALID_JSON = ("invalid_json", HTTPStatus.BAD_REQUEST, _INVALID)
    INVALID_FORM = ("invalid_form", HTTPStatus.BAD_REQUEST, _INVALID)
    INVALID_VALUE = ("invalid_value", HTTPStatus.BAD_REQUEST, _INVALID)
    CONTEXT_LENGTH_EXCEEDED = ("context_length_exceeded", HTTPStatus.BAD_REQUEST, _INVALID)
    MISSING_FIELD = ("missing_required_parameter", HTTPStatus.BAD_REQUEST, _INVALID)
    UNSUPPORTED_ENCODING = ("unsupported_content_encoding", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _INVALID)
    BODY_TOO_LARGE = ("request_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _INVALID)
    UPGRADE_REQUIRED = ("upgrade_required", HTTPStatus.UPGRADE_REQUIRED, _INVALID)
    HEADERS_TOO_LARGE = ("headers_too_large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _INVALID)
    REQUEST_TIMEOUT = ("request_timeout", HTTPStatus.REQUEST_TIMEOUT, _INVALID)
    REQUEST_REFUSED = ("request_refused", HTTPStatus.BAD_REQUEST, _INVALID)
    TOO_MANY_REQUESTS = ("rate_limit_exceeded", HTTPStatus.TOO_MANY_REQUESTS, "requests")
    TOO_MANY_TOKENS = ("rate_limit_exceeded", HTTPStatus.TOO_MANY_REQUESTS, "tokens")
    LIMITS_UNAVAILABLE = ("limits_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    TOO_MANY_CHATS = ("too_many_chats", HTTPStatus.TOO_MANY_REQUESTS, _INVALID)
    OVERLOADED = ("model_overloaded", HTTPStatus.TOO_MANY_REQUESTS, _SERVER)
    ROUTER_FULL = ("router_overloaded", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    TOO_MANY_WAITING = ("too_many_waiting", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    MODEL_UNAVAILABLE = ("model_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    ENGINE_UNREACHABLE = ("engine_unreachable", HTTPStatus.BAD_GATEWAY, _SERVER)
    ENGINE_FAILED = ("engine_error", HTTPStatus.BAD_GATEWAY, _SERVER)
    ENGINE_TIMEOUT = ("engine_timeout", HTTPStatus.GATEWAY_TIMEOUT, _SERVER)
    IDENTITY_UNAVAILABLE = ("identity_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    STORE_UNAVAILABLE = ("store_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, _SERVER)
    MANAGER_FAILED = ("manager_failed", HTTPStatus.BAD_GATEWAY, _SERVER)
    INTERNAL = ("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR, _SERVER)

    def __init__(self, code: str, status: HTTPStatus, kind: str) -> None:
        self.code = code
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one request."""

    code: ErrorCode
    message: str
    param: str | None = None
    """The field of the request that is to blame."""
    retry_after: int | None = None
    """Seconds after which another try makes sense."""
    allow: str | None = None
    """For a wrong method: the right ones."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.code.status)

    def body(self, dialect: Dialect = Dialect.OPENAI) -> bytes:
        """The error object as JSON."""
        return error_body(dialect, self.status, self.message, self.code.kind, self.code.code, self.param)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Header fields that belong to the answer, beyond those of every JSON answer."""
        fields: list[tuple[bytes, bytes]] = []
        if self.status == HTTPStatus.UNAUTHORIZED:
            fields.append((b"www-authenticate", b"Bearer"))
        if self.retry_after is not None:
            fields.append((b"retry-after", b"%d" % self.retry_after))
        if self.allow is not None:
            fields.append((b"allow", self.allow.encode()))
        return fields


class RequestError(Exception):
    """Ends a request with a `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def fail(
    code: ErrorCode,
    message: str,
    *,
    param: str | None = None,
    retry_after: int | None = None,
) -> RequestError:
    """A `RequestError` to raise."""
    return RequestError(Problem(code, message, param, retry_after))
