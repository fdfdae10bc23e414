"""What a test file leaves behind is found at its end, so that it is that file which fails.

A transport or a socket that nobody closed warns when the garbage collector finds it: without this, at some time during
the test of another file. The warning is an error (``filterwarnings``), which pytest reports with the teardown of the
file's last test.
"""

import gc
from collections.abc import Iterator

import pytest


def pytest_collection_finish() -> None:
    """Keep the imported modules out of every later collection: they stay, and are most of what there is to look at."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """As a fixture of the module it ends after the others, and before pytest looks for warnings that nobody caught."""
    yield
    gc.collect()
