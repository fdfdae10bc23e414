"""The page at /docs lists every operation in a real browser, which asks the router and nobody else."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.browsers import Page, browser_page
from tests.routers import running_router

pytestmark = pytest.mark.local
RENDERS_SECONDS = 30.0
SHOWN = """
[...document.querySelectorAll(".opblock")].map(block => [
  block.querySelector(".opblock-summary-path").dataset.path,
  block.querySelector(".opblock-summary-method").innerText.toLowerCase(),
])
"""


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (path, method) for path, methods in document["paths"].items() for method in methods if method != "parameters"
    }


async def shown(page: Page, expected: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What the page lists once that is what is expected, else what it lists after a while."""
    deadline = time.monotonic() + RENDERS_SECONDS
    while True:
        seen = {(path, method) for path, method in await page.evaluate(SHOWN) or ()}
        if seen == expected or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(0.05)


async def test_every_operation_is_listed_and_no_other_host_is_asked(tmp_path: Path) -> None:
    async with running_router() as router, browser_page(tmp_path) as page:
        expected = operations((await router.request("GET", "/openapi.json", key=None)).json())
        await page.open(f"{router.url}/docs")
        assert await shown(page, expected) == expected
        assert len(expected) > 20
        assert f"{router.url}/openapi.json" in page.requests
        elsewhere = [url for url in page.requests if not url.startswith((f"{router.url}/", "data:image/"))]
        assert (elsewhere, page.complaints) == ([], [])
