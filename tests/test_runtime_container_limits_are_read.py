"""CPUs and memory kills are those of the container, in both versions of cgroups."""

import os
from pathlib import Path

import pytest

from slipway_runtime.adapters.cpus import usable_cpus
from slipway_runtime.adapters.memory import usable_memory
from slipway_runtime.adapters.memory_kills import memory_kills


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "50000 100000\n"},
        {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_a_quota_of_at_most_one_cpu_is_one(tmp_path: Path, files: dict[str, str]) -> None:
    assert usable_cpus(write(tmp_path, files)) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        {"cpu.max": "100000000 100000\n"},
    ],
)
def test_without_a_tighter_quota_it_is_the_affinity(tmp_path: Path, files: dict[str, str]) -> None:
    assert usable_cpus(write(tmp_path, files)) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, 0),
        ({"memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"}, 2),
        ({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"}, 4),
    ],
)
def test_memory_kills_are_counted(tmp_path: Path, files: dict[str, str], kills: int) -> None:
    assert memory_kills(write(tmp_path, files)) == kills


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_is_the_containers(tmp_path: Path, name: str) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert usable_memory(tmp_path) == machine
    assert usable_memory(write(tmp_path, {name: "1048576\n"})) == 1048576
    # Version 1 has no word for "no limit", only a very large number.
    assert usable_memory(write(tmp_path, {name: "9223372036854771712\n"})) == machine
    assert usable_memory(write(tmp_path, {"memory.max": "max\n"})) == machine
