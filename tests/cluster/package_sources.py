"""What a build needs to reach package sources the way this machine does: apt's mirrors, pip's index, certificates.

All of it is mounted while a build runs and stays out of the images.
"""

import configparser
import os
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import write_changed
from tests.cluster.shell import run

# Not the system's own bundle: a build that updates ca-certificates could not write it.
_BUNDLE = "/run/slipway-build/ca.crt"
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def volumes(folder: Path, suite: str) -> list[str]:
    """Return ``--volume`` options for a build; the files they bring are written into ``folder``."""
    sources, pip = folder / "sources.list", folder / "pip.conf"
    write_changed(sources, "".join(f"deb {source}\n" for source in apt_sources(suite)))
    bundle = next((file for name in ("SSL_CERT_FILE", "PIP_CERT") if (file := os.environ.get(name))), None)
    write_changed(pip, _pip_configuration(certificates=bundle is not None))
    mounts = {str(sources): "/etc/apt/sources.list", str(pip): "/etc/pip.conf"}
    if bundle is not None:
        # Without it, pip fails behind a TLS proxy with a misleading "No matching distribution found".
        mounts[bundle] = _BUNDLE
    return [f"--volume={here}:{inside}:ro" for here, inside in mounts.items()]


def apt_sources(suite: str) -> list[str]:
    """Return what apt on this machine knows of a suite, as ``URI RELEASE COMPONENT``, the suite itself first.

    Raises :class:`ClusterError` when there is no source for it.
    """
    template = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = run(["apt-get", "indextargets", "--format", template, "Created-By: Packages"]).splitlines()
    found = {line for line in lines if line.split()[1].partition("-")[0] == suite}
    if not any(line.split()[1] == suite for line in found):
        raise ClusterError(f"apt's sources have no suite {suite}: add it, or build the images where Docker runs")
    return sorted(found, key=lambda line: line.split()[1])


def _pip_configuration(*, certificates: bool) -> str:
    """Return a pip.conf with this machine's settings that matter to a build."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(["/etc/pip.conf", Path.home() / ".config/pip/pip.conf", os.environ.get("PIP_CONFIG_FILE", "")])
    settings = {name: parser.get("global", name, fallback=None) for name in _PIP_SETTINGS}
    settings |= {
        name: os.environ.get(f"PIP_{name.upper().replace('-', '_')}", settings[name]) for name in _PIP_SETTINGS
    }
    if certificates:
        settings["cert"] = _BUNDLE
    return "".join(["[global]\n", *(f"{name} = {value}\n" for name, value in settings.items() if value)])
