"""Installing Slipway into a cluster, from this checkout."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries, images
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Provider
from tests.cluster.shell import run

NAMESPACE = "slipway-system"
RELEASE = "slipway"

_CHART = Path(__file__).parent.parent.parent / "charts" / "slipway"
_READY_SECONDS = 180


def load_images(provider: Provider, paths: Paths, targets: Sequence[str], progress: Progress) -> list[images.Image]:
    """Build the images of ``targets`` and put those that a node lacks onto every node."""
    built = images.ensure(paths, targets, progress)
    # A tag is a hash of the content: an image of that name is that image.
    provider.load_images([image.archive for image in built if not provider.has_images([image.reference])])
    return built


def install(provider: Provider, paths: Paths, progress: Progress, extra: Sequence[str] = ()) -> None:
    """Install or upgrade the release to what is in the checkout and wait until it is ready.

    ``extra`` are further arguments of ``helm upgrade``, such as ``--set=router.replicas=2``.
    """
    load_images(provider, paths, images.TARGETS, progress)
    helm = binaries.ensure(paths, ("helm",), progress)["helm"]
    values = [f"--set={name}={value}" for name, value in _image_values().items()]
    target = (f"--kubeconfig={provider.kubeconfig()}", f"--namespace={NAMESPACE}", "--create-namespace")
    waiting = ("--wait", f"--timeout={_READY_SECONDS}s")
    with progress.step(f"installed release {RELEASE}"):
        argv = (str(helm), "upgrade", "--install", RELEASE, str(_CHART), *target, *values, *waiting, *extra)
        run(argv, timeout=_READY_SECONDS + 60)


def _image_values() -> dict[str, str]:
    """Return the chart's values that name the images of this checkout."""
    tags = {target: images.reference(target).rpartition(":")[2] for target in images.TARGETS}
    onnx = images.reference("runtime-onnx")
    return {
        "image.registry": images.REGISTRY,
        "operator.image.tag": tags["operator"],
        "router.image.tag": tags["router"],
        "runtime.images.llamacpp": images.reference("runtime-llamacpp"),
        "runtime.images.onnx": onnx,
        "runtime.images.dummy": onnx,
    }
