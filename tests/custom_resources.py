"""Fixture: an API server that knows Slipway's custom resources."""

from pathlib import Path
from typing import Final

import pytest

from tests.cluster.apiserver import ApiServer

CRDS: Final = Path(__file__).parent.parent / "crds" / "generated"


@pytest.fixture(scope="session")
def custom_resources(apiserver: ApiServer) -> ApiServer:
    """The session's API server, with the generated definitions applied and established."""
    apiserver.kubectl("apply", "--server-side", "-f", str(CRDS))
    apiserver.kubectl("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=30s")
    return apiserver
