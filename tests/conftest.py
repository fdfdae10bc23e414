"""Fixtures that more than one test file uses."""

pytest_plugins = (
    "tests.tiers",
    "tests.golden",
    "tests.cluster.fixtures",
    "tests.custom_resources",
    "tests.operator_process",
    "tests.router_process",
    "tests.chart_fixtures",
    "tests.installation_fixtures",
    "tests.engine_cases",
    "tests.otel_collector",
)
