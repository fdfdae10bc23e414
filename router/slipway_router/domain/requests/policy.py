"""What requests for a model may ask for, what they get when they do not say, and whether answers are kept."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from slipway_crds.duration import parse_duration
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment, ModelDeploymentSpec
from slipway_crds.serving_spec import RequestDefaults, RequestLimits

MAX_TOKENS: Final = 2048
"""Of an answer that nobody bounds."""
MAX_PROMPT_TOKENS: Final = 8192
BYTES_PER_TOKEN: Final = 4
"""Of UTF-8: what a token is taken for as long as no tokenizer has seen the text."""


@dataclass(frozen=True, slots=True)
class EngineNames:
    """What an engine calls a field that others call otherwise."""

    repetition: str
    other_repetition: str


ENGINE_NAMES: Final[Mapping[str, EngineNames]] = MappingProxyType(
    {
        EngineType.VLLM: EngineNames("repetition_penalty", "repeat_penalty"),
        EngineType.LLAMACPP: EngineNames("repeat_penalty", "repetition_penalty"),
    }
)
"""Of the engines whose answers end only at a limit: these get one with every request. Providers bound answers
themselves, and some of their models refuse ``max_tokens``; the dummy engine has no model that could go on."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How answers are kept."""

    ttl: float
    """Seconds."""
    shared: bool
    """Whether a key may get an answer that another one asked for."""
    max_entries: int | None
    identity: str
    """Differs between models of one name that may answer differently."""


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Limits and defaults of one model."""

    max_tokens: int = MAX_TOKENS
    """Longest answer."""
    max_prompt_tokens: int = MAX_PROMPT_TOKENS
    max_body_bytes: int | None = None
    """None: the router's own limit is enough."""
    default_max_tokens: int | None = None
    """Length of answers to requests that do not say; None leaves it to the engine."""
    sampling: tuple[tuple[str, bytes], ...] = ()
    """Other fields that are set when they were left out: name and JSON."""
    system_prompt: str = ""
    """For conversations without one."""
    names: EngineNames | None = None
    cache: CachePolicy | None = None
    """None: no answer is kept."""
    harmless_bytes: int = field(init=False)
    """A body of at most so many bytes is within the limits, whatever is in it."""
    default_answer: bytes = field(init=False)
    """``default_max_tokens`` as JSON."""

    def __post_init__(self) -> None:
        text = self.max_prompt_tokens * BYTES_PER_TOKEN
        size = text if self.max_body_bytes is None else min(text, self.max_body_bytes)
        # A list of tokens can have one in every two bytes.
        object.__setattr__(self, "harmless_bytes", min(size, 2 * self.max_prompt_tokens))
        object.__setattr__(self, "default_answer", b"%d" % (self.default_max_tokens or 0))


def request_policy_of(deployment: ModelDeployment) -> RequestPolicy:
    """``spec.defaults``, ``spec.limits`` and ``spec.responseCache``, with the router's defaults in the gaps."""
    spec = deployment.spec
    defaults, limits = spec.defaults or RequestDefaults(), spec.limits or RequestLimits()
    names = ENGINE_NAMES.get(spec.engine.type)
    longest = limits.max_tokens or _unsaid_limit(spec, defaults.max_tokens)
    sampling = (("temperature", defaults.temperature), ("top_p", defaults.top_p), ("top_k", defaults.top_k))
    default = defaults.max_tokens or limits.max_tokens or (longest if names is not None else None)
    return RequestPolicy(
        max_tokens=longest,
        max_prompt_tokens=limits.max_prompt_tokens or MAX_PROMPT_TOKENS,
        max_body_bytes=limits.max_body_bytes,
        default_max_tokens=min(default, longest) if default is not None else None,
        sampling=tuple((name, msgspec.json.encode(value)) for name, value in sampling if value is not None),
        system_prompt=defaults.system_prompt or "",
        names=names,
        cache=_cache_policy(deployment),
    )


def _unsaid_limit(spec: ModelDeploymentSpec, default: int | None) -> int:
    longest = max(MAX_TOKENS, default or 0)
    # vLLM refuses requests for more than that instead of ending their answers there.
    context = _context(spec.engine.args or ()) if spec.engine.type is EngineType.VLLM else None
    return longest if context is None else min(longest, context)


def _context(args: Iterable[str]) -> int | None:
    """What ``--max-model-len`` says, in plain digits; vLLM also knows ``auto`` and suffixes."""
    found = re.findall(r"--max[-_]model[-_]len[= ](\d{1,9})(?!\S)", " ".join(args))
    return int(found[-1]) or None if found else None


def _cache_policy(deployment: ModelDeployment) -> CachePolicy | None:
    cache = deployment.spec.response_cache
    if cache is None or not cache.enabled:
        return None
    return CachePolicy(parse_duration(cache.ttl), cache.scope == "Shared", cache.max_entries, _identity(deployment))


def _identity(deployment: ModelDeployment) -> str:
    """Of the object and of what decides what it answers: weights, engine, adapters. Replicas and the like do not."""
    spec = deployment.spec
    what: dict[str, Any] = spec.model_dump(mode="json", include={"model", "engine", "adapters"})
    return hashlib.sha256(msgspec.json.encode([deployment.metadata.uid, what], order="deterministic")).hexdigest()
