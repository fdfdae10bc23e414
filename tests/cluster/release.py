"""Installing Slipway into a cluster, from this checkout."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries, images
from tests.cluster.errors import ClusterError, CommandError
from tests.cluster.kubectl import Kubectl
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
    for image in built:
        # A tag is a hash of the content: an image of that name is that image. One may have come with another's archive.
        if not provider.has_images([image.reference]):
            provider.load_images([image.archive])
    return built


def install(provider: Provider, paths: Paths, progress: Progress, extra: Sequence[str] = ()) -> None:
    """Install or upgrade the release to what is in the checkout and wait until it is ready.

    The router's Service has a port on the nodes too: without a load balancer, callers outside reach it there.

    ``extra`` are further arguments of ``helm upgrade``, such as ``--set=router.replicas=2``.
    """
    built = load_images(provider, paths, images.TARGETS, progress)
    programs = binaries.ensure(paths, ("helm", "kubectl"), progress)
    kubectl = Kubectl(programs["kubectl"], provider.kubeconfig())
    settings = {**_image_values(built), "router.service.type": "NodePort"}
    values = [f"--set={name}={value}" for name, value in settings.items()]
    target = (f"--kubeconfig={provider.kubeconfig()}", f"--namespace={NAMESPACE}", "--create-namespace")
    waiting = ("--wait", f"--timeout={_READY_SECONDS}s")
    with progress.step(f"installed release {RELEASE}"):
        argv = (str(programs["helm"]), "upgrade", "--install", RELEASE, str(_CHART), *target, *values, *waiting, *extra)
        try:
            run(argv, timeout=_READY_SECONDS + 60)
        except CommandError as error:
            # Helm says that it waited in vain; what it waited for is in the pods.
            pods = kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=wide")
            raise ClusterError(f"{error}\n{pods}") from error


def _image_values(built: Sequence[images.Image]) -> dict[str, str]:
    """Return the chart's values that name the built images, given in the order of the targets."""
    # Not computed anew: somebody may have edited a file meanwhile.
    operator, router, llamacpp, onnx = (image.reference for image in built)
    return {
        "image.registry": images.REGISTRY,
        "operator.image.tag": operator.rpartition(":")[2],
        "router.image.tag": router.rpartition(":")[2],
        "runtime.images.llamacpp.cpu": llamacpp,
        "runtime.images.onnx.cpu": onnx,
        "runtime.images.dummy.cpu": onnx,
        # These are loaded when a test asks for them.
        "runtime.images.vllm.cpu": images.reference("runtime-vllm-cpu"),
        "runtime.images.diffusers.cpu": images.reference("runtime-diffusers"),
    }
