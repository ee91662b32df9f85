"""What an agent measures on: the same names for all agents of a host, others on another."""

from __future__ import annotations

from pathlib import Path

from profiler_agent.host import measured_devices


def a_host(folder: Path, boot: str) -> Path:
    file = folder / "proc/sys/kernel/random/boot_id"
    file.parent.mkdir(parents=True)
    file.write_text(f"{boot}\n")
    return folder


def test_agents_share_the_cpus_that_both_may_use(tmp_path: Path) -> None:
    root = a_host(tmp_path, "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    one, other = measured_devices((), root, cpus={0, 1}), measured_devices(("cuda:0",), root, cpus={1, 2})
    assert [name.partition("/")[2] for name in other] == ["cpu1", "cpu2", "cuda:0"]
    assert [name.partition("/")[2] for name in set(one) & set(other)] == ["cpu1"]
    assert "1b4e28ba" not in "".join(other), "who the host is stays there"


def test_hosts_share_nothing(tmp_path: Path) -> None:
    found = [measured_devices(("cuda:0",), a_host(tmp_path / boot, boot), cpus={0}) for boot in ("a", "b")]
    assert not set(found[0]) & set(found[1])


def test_a_host_that_is_not_known_names_nothing(tmp_path: Path) -> None:
    assert measured_devices(("cuda:0",), tmp_path) == ()


def test_this_host_names_its_cpus() -> None:
    assert measured_devices(())
