"""Fixtures that more than one test file uses."""

from hypothesis import settings

# How long an example may take says more of the machine than of the code.
settings.register_profile("any machine", settings(), deadline=None)
settings.load_profile("any machine")

pytest_plugins = (
    "tests.tiers",
    "tests.garbage",
    "tests.golden",
    "tests.cluster.fixtures",
    "tests.custom_resources",
    "tests.operator_process",
    "tests.router_process",
    "tests.chart_fixtures",
    "tests.installation_fixtures",
    "tests.killing",
    "tests.engine_cases",
    "tests.otel_collector",
    "tests.vllm_servers",
)
