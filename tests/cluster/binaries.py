"""The programs of Kubernetes and its companions, built from their Go modules and cached.

No release files are downloaded: the Go module proxy is the only source, and ``go.sum`` and the checksum database pin
what it serves.
"""

import hashlib
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.shell import run, succeeds

KUBERNETES = "v1.34.4"
HELM = "v3.19.0"
COREDNS = "v1.12.4"

CONTROL_PLANE = ("kube-apiserver", "kubectl")
NODE = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "pause", "coredns", "helm")

_MODULES = Path(__file__).parent / "go"
_KEPT_BUILDS = 2
_BUILD_SECONDS = 3600
_INSTALLED = {
    "coredns": f"github.com/coredns/coredns@{COREDNS}",
    "helm": f"helm.sh/helm/v3/cmd/helm@{HELM}",
}


@dataclass(frozen=True)
class Binaries:
    """A folder of built programs; ``version`` changes whenever one of them may."""

    folder: Path
    version: str

    def __getitem__(self, name: str) -> Path:
        """Return the path of a program."""
        return self.folder / name


def ensure(paths: Paths, names: tuple[str, ...], progress: Progress) -> Binaries:
    """Build the named programs unless they are cached.

    Raises :class:`ClusterError` when there is no Go toolchain that could build them, or when a build fails.
    """
    version = _version()
    binaries = Binaries(paths.cache / "bin" / version, version)
    if all(binaries[name].exists() for name in names):
        return binaries
    _check_toolchain()
    with locked(paths.cache / "bin.lock"):
        binaries.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not binaries[name].exists():
                with progress.step(f"built {name}"):
                    _build(name, binaries.folder)
        _prune(binaries.folder)
    return binaries


def _version() -> str:
    """Hash everything that decides what the programs are."""
    digest = hashlib.sha256(f"{KUBERNETES} {HELM} {COREDNS}".encode())
    for source in sorted(path for path in _MODULES.rglob("*") if path.is_file()):
        digest.update(source.relative_to(_MODULES).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _check_toolchain() -> None:
    if shutil.which("go") is None:
        raise ClusterError(
            "no Go toolchain: the Kubernetes components are built from source; install Go 1.24 or later (https://go.dev/dl)"
        )
    # Go 1.21 and later fetch the toolchain that go.mod asks for; earlier ones fail with an error about the file format.
    if not succeeds(["go", "env", "GOTOOLCHAIN"]) or not run(["go", "env", "GOTOOLCHAIN"]).strip():
        raise ClusterError(f"{run(['go', 'version']).strip()} is too old: install Go 1.24 or later (https://go.dev/dl)")


def _build(name: str, folder: Path) -> None:
    """Build one program into a temporary folder and move it into place whole."""
    target = folder / f".{name}.build"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    environment = {"CGO_ENABLED": "0", "GOBIN": str(target), "GOOS": "", "GOARCH": ""}
    build = ["nice", "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    if name in _INSTALLED:
        argv = ["nice", "go", "install", "-trimpath", "-ldflags=-s -w", _INSTALLED[name]]
        module = folder
    elif name == "pause":
        argv = [*build, "-ldflags=-s -w", "-o", str(target / name), "."]
        module = _MODULES / "pause"
    else:
        argv = [*build, f"-ldflags={_kubernetes_flags()}", "-o", str(target / name), f"k8s.io/kubernetes/cmd/{name}"]
        module = _MODULES / "kubernetes"
    run(argv, env=environment, cwd=module, timeout=_BUILD_SECONDS)
    built = target / name
    built.chmod(built.stat().st_mode | stat.S_IXUSR)
    built.replace(folder / name)
    shutil.rmtree(target)


def _kubernetes_flags() -> str:
    """Return linker flags that give the programs the version they were built from, as a release has it."""
    package = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s", "-w", *(f"-X {package}.{key}={value}" for key, value in values.items())])


def _prune(current: Path) -> None:
    """Drop all but the newest builds: one takes about 600 MB."""
    builds = sorted(current.parent.iterdir(), key=lambda build: build.stat().st_mtime, reverse=True)
    for build in [build for build in builds if build != current][_KEPT_BUILDS - 1 :]:
        shutil.rmtree(build)
