"""Docker, where there is one."""

import shutil

from tests.cluster.shell import succeeds


def docker_runs() -> bool:
    """Tell whether a Docker daemon answers."""
    return shutil.which("docker") is not None and succeeds(["docker", "version", "--format", "{{.Server.Version}}"])
