"""Go modules as their authors published them, in Go's own cache outside the checkout."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.shell import run

_FETCH_SECONDS: Final = 600


@dataclass(frozen=True)
class GoModule:
    """One version of a module."""

    path: str
    version: str
    sum: str
    """As ``go.sum`` has it."""

    def folder(self) -> Path:
        """Its files, fetched unless they are there; the module proxy is the only source."""
        if shutil.which("go") is None:
            pytest.skip(f"no Go toolchain, which fetches {self.path}")
        answer = run(["go", "mod", "download", "-json", f"{self.path}@{self.version}"], timeout=_FETCH_SECONDS)
        found = json.loads(answer)
        assert found["Sum"] == self.sum, found
        return Path(found["Dir"])


KEDA: Final = GoModule("github.com/kedacore/keda/v2", "v2.18.1", "h1:h6bRt/IOxxtZpJlHSqhdH/lcInH7Z9obxg/JvWOmGAw=")
PROMETHEUS_ADAPTER: Final = GoModule(
    "sigs.k8s.io/prometheus-adapter", "v0.12.0", "h1:e29A6BIwA/NKxPZeuamBMHJsvz0sSUXTb92Obg7RMV4="
)
PROMETHEUS_OPERATOR: Final = GoModule(
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
