"""The OpenAPI 3.1 document, made from the table."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.api.entries import JSON, Content, Entry, Parameter, Scope, Tag
from slipway_router.domain.errors import ErrorCode

_COMMON: Final = (ErrorCode.INVALID_HTTP, ErrorCode.HEADERS_TOO_LARGE, ErrorCode.INTERNAL)
_OF_SCOPE: Final[Mapping[Scope, tuple[ErrorCode, ...]]] = {
    Scope.PUBLIC: (),
    Scope.KEY: (ErrorCode.INVALID_API_KEY,),
    Scope.ADMIN: (ErrorCode.INVALID_API_KEY, ErrorCode.ADMIN_REQUIRED),
}
_TEMPLATE: Final = "#/components/schemas/{model}"
_FORM: Final = "multipart/form-data"
_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"apiKey": []}]
_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_WORD: Final[Mapping[str, Any]] = {"type": ["string", "null"]}
ERROR_SCHEMAS: Final[Mapping[Dialect, tuple[str, Mapping[str, Any]]]] = {
    Dialect.OPENAI: (
        "Error",
        {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "message": _TEXT,
                        "type": _WORD,
                        "param": _WORD,
                        "code": {"type": ["string", "integer", "null"]},
                    },
                }
            },
        },
    ),
    Dialect.ANTHROPIC: (
        "AnthropicError",
        {
            "type": "object",
            "required": ["type", "error"],
            "properties": {
                "type": {"const": "error"},
                "error": {
                    "type": "object",
                    "required": ["type", "message"],
                    "properties": {"type": _TEXT, "message": _TEXT},
                },
            },
        },
    ),
    Dialect.TEI: (
        "TeiError",
        {"type": "object", "required": ["error", "error_type"], "properties": {"error": _TEXT, "error_type": _TEXT}},
    ),
}


def document(entries: Iterable[Entry], version: str) -> dict[str, Any]:
    """The document of ``entries``; equal ones give equal documents."""
    table = tuple(entries)
    refs, schemas = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for entry in table:
        for index, path in enumerate(entry.paths):
            name = f"{entry.name}_{index + 1}" if index else entry.name
            paths.setdefault(path, {})[entry.method.lower()] = _operation(entry, name, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Slipway", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag.title, "description": tag.text} for tag in Tag],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def errors_of(entry: Entry) -> dict[int, list[ErrorCode]]:
    """Everything documented that can go wrong with a call, by status."""
    found: dict[int, list[ErrorCode]] = {}
    for code in dict.fromkeys((*_COMMON, *_OF_SCOPE[entry.scope], *entry.errors)):
        found.setdefault(int(code.status), []).append(code)
    return dict(sorted(found.items()))


def _schemas(table: tuple[Entry, ...]) -> tuple[dict[type[BaseModel], str], dict[str, Any]]:
    bodies = {entry.body for entry in table if entry.body is not None}
    answers = {content.model for entry in table for content in entry.answers if content.model is not None}
    models = sorted(bodies | answers, key=lambda model: model.__name__)
    keys, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_TEMPLATE)
    schemas = dict(sorted(definitions["$defs"].items()))
    schemas |= {name: dict(schema) for name, schema in ERROR_SCHEMAS.values()}
    return {model: keys[model, "validation"]["$ref"] for model in models}, schemas


def _operation(entry: Entry, name: str, refs: Mapping[type[BaseModel], str]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": entry.summary, "tags": [entry.tag.title]}
    if entry.text:
        operation["description"] = entry.text
    if entry.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in entry.parameters]
    if entry.body is not None:
        operation["requestBody"] = _request_body(entry, entry.body, refs)
    operation["responses"] = _responses(entry, refs)
    if entry.scope is not Scope.PUBLIC:
        operation["security"] = _SECURITY
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = {key: value for key, value in parameter.schema.items() if not key.startswith("x-")}
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.text,
        "schema": schema,
    }


def _request_body(entry: Entry, body: type[BaseModel], refs: Mapping[type[BaseModel], str]) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": {"$ref": refs[body]}}}
    if entry.example is not None:
        content[JSON]["example"] = dict(entry.example)
    if entry.form:
        content[_FORM] = {"schema": {"$ref": refs[body]}}
    required = any(field.is_required() for field in body.model_fields.values())
    return {"required": required, "content": content}


def _responses(entry: Entry, refs: Mapping[type[BaseModel], str]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(entry.status).phrase}
    if entry.answers:
        good["content"] = {content.media_type: _media(content, refs) for content in entry.answers}
    responses: dict[str, Any] = {str(entry.status): good}
    schema = {"schema": _error(entry)}
    for status, codes in errors_of(entry).items():
        words = ", ".join(f"`{code.code}`" for code in codes)
        responses[str(status)] = {"description": words, "content": {JSON: schema}}
    if entry.route is not None:
        responses["4XX"] = {"description": "What the engine refuses with.", "content": {JSON: schema}}
    return responses


def _error(entry: Entry) -> dict[str, Any]:
    """Whose error object it is; on a path that two APIs share, the request tells which one."""
    other = entry.route.unnamed if entry.route is not None else None
    dialects = dict.fromkeys((entry.dialect, other.dialect if other is not None else entry.dialect))
    refs = [{"$ref": _TEMPLATE.format(model=ERROR_SCHEMAS[dialect][0])} for dialect in dialects]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}


def _media(content: Content, refs: Mapping[type[BaseModel], str]) -> dict[str, Any]:
    return {} if content.model is None else {"schema": {"$ref": refs[content.model]}}
