"""What the serving certificate is kept in, and the APIServices that lead to it."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.names import LABEL_MANAGED_BY, MANAGED_BY
from slipway_operator.domain.metrics_api.documents import GROUP, VERSIONS
from slipway_operator.domain.resources import Manifest

_AUTHORITY: Final = "ca.crt"
_AUTHORITY_KEY: Final = "ca.key"
_CERTIFICATE: Final = "tls.crt"
_KEY: Final = "tls.key"
_API_VERSION: Final = "apiregistration.k8s.io/v1"
_PRIORITY: Final = 100


@dataclass(frozen=True, slots=True)
class ServingPair:
    """A certificate and its key, PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class ServingIdentity:
    """All that the Secret of the serving certificate holds, PEM."""

    pair: ServingPair
    authorities: str
    """Certificates to be trusted: that which signed `pair` first, then those before it that have not expired."""
    authority_key: str
    """Of the first authority."""

    @classmethod
    def of_secret(cls, secret: Manifest) -> "ServingIdentity | None":
        """What a Secret holds; None when a part is missing or is no text."""
        data = secret.get("data") or {}
        try:
            text = {name: base64.b64decode(value, validate=True).decode() for name, value in data.items()}
            return cls(ServingPair(text[_CERTIFICATE], text[_KEY]), text[_AUTHORITY], text[_AUTHORITY_KEY])
        except (KeyError, ValueError, TypeError):
            return None

    def to_data(self) -> dict[str, str]:
        """The ``data`` of the Secret."""
        parts = {
            _AUTHORITY: self.authorities,
            _AUTHORITY_KEY: self.authority_key,
            _CERTIFICATE: self.pair.certificate,
            _KEY: self.pair.key,
        }
        return {name: base64.b64encode(text.encode()).decode() for name, text in parts.items()}


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """The Service through which the API server reaches the metrics API."""

    namespace: str
    name: str
    port: int = 443

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that the serving certificate is for; the API server checks the first."""
        return (f"{self.name}.{self.namespace}.svc", f"{self.name}.{self.namespace}.svc.cluster.local")


def api_service_names() -> tuple[str, ...]:
    """The names of our APIServices."""
    return tuple(f"{version}.{GROUP}" for version in VERSIONS)


def api_services(
    service: ServiceReference, authorities: str, owner: Mapping[str, Any] | None = None
) -> tuple[Manifest, ...]:
    """An APIService for each version. ``owner`` is an owner reference: with its object, they go."""
    return tuple(
        {
            "apiVersion": _API_VERSION,
            "kind": "APIService",
            "metadata": {
                "name": name,
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                **({"ownerReferences": [dict(owner)]} if owner else {}),
            },
            "spec": {
                "group": GROUP,
                "version": version,
                "groupPriorityMinimum": _PRIORITY,
                "versionPriority": _PRIORITY - place,
                "service": {"namespace": service.namespace, "name": service.name, "port": service.port},
                "caBundle": base64.b64encode(authorities.encode()).decode(),
            },
        }
        for place, (name, version) in enumerate(zip(api_service_names(), VERSIONS, strict=True))
    )


def foreign(live: Iterable[Manifest], service: ServiceReference) -> tuple[str, ...]:
    """Names of the APIServices among ``live`` by which somebody else serves the group, in any version."""
    return tuple(
        sorted(
            each["metadata"]["name"]
            for each in live
            if (each.get("spec") or {}).get("group") == GROUP and not _is_ours(each, service)
        )
    )


def is_applied(live: Manifest | None, wanted: Manifest) -> bool:
    """Whether ``live`` says all that ``wanted`` says."""
    if live is None:
        return False
    metadata = live["metadata"]
    owners = [entry.get("uid") for entry in metadata.get("ownerReferences") or ()]
    return (
        live["spec"] == {**live["spec"], **wanted["spec"]}
        and (metadata.get("labels") or {}).get(LABEL_MANAGED_BY) == MANAGED_BY
        and all(entry["uid"] in owners for entry in wanted["metadata"].get("ownerReferences", ()))
    )


def _is_ours(live: Manifest, service: ServiceReference) -> bool:
    labels, reference = live["metadata"].get("labels") or {}, live["spec"].get("service") or {}
    return labels.get(LABEL_MANAGED_BY) == MANAGED_BY and (reference.get("namespace"), reference.get("name")) == (
        service.namespace,
        service.name,
    )
