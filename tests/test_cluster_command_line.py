from pathlib import Path

import pytest

from tests.cluster.cli import main
from tests.cluster.errors import ClusterError
from tests.cluster.network import Network
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Choice
from tests.cluster.report import Component, Report


@pytest.mark.parametrize("name", ["", "Upper", "with-dash", "1first", "toolongname", "../up"])
def test_names_that_fit_no_network_interface_are_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--name={name}", "status"]) == 1
    assert "use 1 to 8 lower-case letters and digits" in capsys.readouterr().err


def test_interfaces_of_the_longest_name_fit_the_kernel() -> None:
    limit = 15  # IFNAMSIZ less the final zero
    assert len(Network("abcdefgh", 0).device(2)) <= limit


def test_sockets_of_the_longest_name_fit_the_kernel() -> None:
    limit = 107  # sun_path less the final zero
    paths = Paths.from_environment({"SLIPWAY_CACHE": "/var/cache/slipway"}).instance("abcdefgh")
    assert len(str(paths.run / "node2" / "containerd.sock")) <= limit


def test_folders_come_from_the_environment() -> None:
    paths = Paths.from_environment({"SLIPWAY_CACHE": "/c", "SLIPWAY_RUN": "/r"})
    assert (paths.cache, paths.run) == (Path("/c"), Path("/r"))
    assert Paths.from_environment({"XDG_CACHE_HOME": "/x"}).cache == Path("/x/slipway")


def test_clusters_and_their_nodes_never_share_addresses() -> None:
    clusters = [Network("a", block) for block in range(64)]
    links = [cluster.link(node) for cluster in clusters for node in (1, 2)]
    assert len({address for link in links for address in (link.near, link.far)}) == 4 * len(clusters)


def test_report_is_healthy_only_when_every_component_is() -> None:
    good, bad = Component("etcd", healthy=True, pid=7), Component("kubelet", healthy=False, detail="ended")
    assert Report((good,)).healthy
    assert not Report((good, bad)).healthy
    assert not Report(()).healthy


def test_report_shows_a_line_for_each_component() -> None:
    lines = str(Report((Component("etcd", True, 7), Component("kubelet", False, detail="ended")))).splitlines()
    assert [line.split() for line in lines] == [
        ["COMPONENT", "PID", "HEALTH"],
        ["etcd", "7", "ok"],
        ["kubelet", "-", "FAILED", "ended"],
    ]


def test_a_broken_choice_of_provider_says_which_file_to_delete(tmp_path: Path) -> None:
    (tmp_path / "test.provider").write_text("minikube")
    with pytest.raises(ClusterError, match="delete the file"):
        Choice(Paths(tmp_path, tmp_path), "test").provider("auto", Progress())
