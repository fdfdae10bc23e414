"""Fixtures that more than one test file uses."""

pytest_plugins = ("tests.tiers", "tests.cluster.fixtures", "tests.custom_resources", "tests.installation_fixtures")
