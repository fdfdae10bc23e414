"""What every custom resource has: the model base, rules that hold in Kubernetes and locally alike, metadata."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Rule:
    """One constraint on an object, said twice: in CEL for the API server, in Python for ``slipway up``.

    ``cel`` and ``holds`` see the same object; ``message`` says what to write instead. A rule without ``holds``
    compares with the stored object, which only the API server has.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None


class ApiModel(BaseModel):
    """Base of all parts of custom resources: frozen, camelCase in YAML, described by the docstrings of its fields.

    Unknown fields are ignored here, since a newer API server may know more than this program; documents that a person
    wrote are read strictly (`slipway_crds.documents`).
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        extra="ignore",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in type(self).rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The object as Kubernetes writes it: camelCase, JSON values, unset fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rfc3339_micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Timestamp = Annotated[
    AwareDatetime, PlainSerializer(_rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A moment as ``metav1.Time``: RFC 3339, UTC, whole seconds."""

MicroTimestamp = Annotated[
    AwareDatetime,
    PlainSerializer(_rfc3339_micro, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment as ``metav1.MicroTime``: RFC 3339, UTC, with microseconds."""

_QUANTITY: Final = r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]+)?$"
_QUANTITY_LENGTH: Final = 32


def _check_quantity(value: str | int) -> str | int:
    if isinstance(value, str) and (len(value) > _QUANTITY_LENGTH or re.fullmatch(_QUANTITY, value) is None):
        raise ValueError(f"{value!r} is not a quantity; write for example 2, 500m or 16Gi")
    return value


Quantity = Annotated[
    str | int,
    AfterValidator(_check_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": _QUANTITY,
            "maxLength": _QUANTITY_LENGTH,
        }
    ),
]
"""A Kubernetes quantity: ``2``, ``500m``, ``16Gi``."""

OpaqueObject = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]
"""A piece of a pod that Kubernetes itself defines and checks."""


def _check_name(name: str) -> str:
    # The API server checks names by itself; `slipway up` has none.
    if re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) is None:
        raise ValueError(f"{name!r} is not a name; write lower-case letters, digits, '-' and '.', for example my-name")
    return name


_Name = Annotated[str, Field(max_length=253), AfterValidator(_check_name)]


class Metadata(ApiModel):
    """The parts of ``metav1.ObjectMeta`` that Slipway reads."""

    name: _Name
    namespace: _Name = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class CustomResource(ApiModel):
    """An object of the group ``slipway.dev``."""

    kind_name: ClassVar[str]
    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]]
    printer_columns: ClassVar[tuple[dict[str, Any], ...]]
    scale: ClassVar[dict[str, str] | None] = None

    api_version: str
    kind: str
    metadata: Metadata
