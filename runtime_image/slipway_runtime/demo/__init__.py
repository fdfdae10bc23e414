"""The small models behind ``demo://NAME``, so that the quickstart runs offline anywhere."""

from slipway_runtime.demo.resolve import UnknownDemoModelError, resolve_demo

__all__ = ["UnknownDemoModelError", "resolve_demo"]
