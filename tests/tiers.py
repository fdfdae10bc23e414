"""The test ladder: which tiers run, and that a tier which was asked for does not skip."""

from collections.abc import Iterable
from typing import Final

import pytest

TIERS: Final = ("unit", "local", "apiserver", "cluster", "engines", "gpu")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tiers",
        default=None,
        help=f"comma-separated tiers to run, of {', '.join(TIERS)}; a skipped test in one of them then fails the run",
    )


def tier_of(marks: Iterable[str]) -> str:
    """The highest tier among a test's marks; a test without one is a unit test."""
    found = set(marks)
    return next((tier for tier in reversed(TIERS) if tier in found), "unit")


def _wanted(config: pytest.Config) -> tuple[str, ...] | None:
    text = config.getoption("--tiers")
    if text is None:
        return None
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [tier for tier in wanted if tier not in TIERS]
    if unknown:
        raise pytest.UsageError(f"--tiers: {', '.join(unknown)} unknown; there are {', '.join(TIERS)}")
    return wanted


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the wanted tiers, cheapest first, so that a broken unit is seen before a node is started."""
    wanted = _wanted(config)
    tiers = {item: tier_of(mark.name for mark in item.iter_markers()) for item in items}
    if wanted is not None:
        config.hook.pytest_deselected(items=[item for item in items if tiers[item] not in wanted])
        items[:] = [item for item in items if tiers[item] in wanted]
    items.sort(key=lambda item: TIERS.index(tiers[item]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterable[None]:
    """Turn a skip into a failure when the tiers were named: then each of them must really have run."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result of the other hooks
    if report.skipped and not hasattr(report, "wasxfail") and _wanted(item.config) is not None:
        report.outcome = "failed"
        report.longrepr = f"skipped, but its tier was asked for: {report.longrepr}"
