"""Fixtures that more than one test file uses."""

pytest_plugins = ("tests.tiers", "tests.cluster.fixtures", "tests.installation_fixtures")
