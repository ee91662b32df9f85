"""The demo with the real service and the real CLI: on a made-up zoo, and on the real one where it is built."""

import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from examples import demo
from examples.service_process import ServiceFailed, running_service
from examples.zoo.building import RECIPES
from examples.zoo.locations import PROJECT, zoo_folder
from tests.made_up_zoo import write_zoo


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex((host, int(port))) == 0


def address_in(output: str) -> str:
    return output.split("export MSEARCH_SERVER=")[1].split(maxsplit=1)[0]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "_MEASURED", 1)
    monkeypatch.setattr(demo, "_LOAD", "single_stream")
    return tmp_path / "cache"


@pytest.mark.slow
def test_the_demo_registers_asks_and_stops_what_it_started(tmp_path, cache, capfd):
    demo.run(write_zoo(tmp_path / "zoo"), Console(width=160))
    output = capfd.readouterr().out
    assert f"$ msearch-cli register --manifest {tmp_path}/zoo/manifest.yaml" in output
    assert "2 registered, 0 skipped, 0 failed" in output
    assert f"$ msearch-cli query --data {tmp_path}/zoo/words/targets/asked.parquet --tag made-up" in output
    assert "words-good *" in output
    assert "1 candidates" in output
    assert "not ranked, no source sample: words-poor" in output
    assert "--tag made-up --rerank 8 --local --json" in output
    assert "1 of 1 inside their interval" in output or "0 of 1 inside their interval" in output
    assert "$ msearch-cli profile words-good --backend onnxruntime --load single_stream" in output
    assert "1 profile of words-good@1" in output
    assert "--require 'p99_ms<=20' --load single_stream" in output
    assert "$ msearch-cli recommend --data" in output
    assert "meet p99_ms<=20 under single_stream" in output
    assert not answers(address_in(output))
    assert sorted(entry.name for entry in cache.iterdir()) == ["demo-agent.log", "demo-service.log"]


def test_a_service_that_cannot_start_is_reported_with_its_log(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(ServiceFailed, match=r"(?s)ended with code.*file"),
        running_service(tmp_path / "file", tmp_path / "log"),
    ):
        pytest.fail("the service started")


def test_the_service_is_stopped_when_the_block_fails(tmp_path):
    (tmp_path / "data").mkdir()

    class Failure(Exception):
        pass

    def fail() -> None:
        with running_service(tmp_path / "data", tmp_path / "log") as found:
            addresses.append(found)
            assert answers(found)
            raise Failure

    addresses: list[str] = []
    with pytest.raises(Failure):
        fail()
    assert not answers(addresses[0])


@pytest.fixture
def small(tmp_path, cache, monkeypatch):
    """Lets `main` find a made-up zoo, built already."""
    zoo = replace(write_zoo(tmp_path / "zoo"), skipped={"brown": "npm is not installed"})
    monkeypatch.setattr(demo, "build_zoo", lambda console: zoo)
    return zoo


@pytest.mark.slow
def test_main_names_what_was_skipped(small, capfd):
    assert demo.main() == 0
    assert "skipped brown: npm is not installed" in capfd.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(small, cache, capfd, monkeypatch, request, number):
    # A shell that runs the tests in the background has them ignore Ctrl-C.
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, interrupted))
    addresses: list[str] = []
    show = demo.Commands.__init__

    def remember(self: demo.Commands, server: str, console: Console, artifacts: Path) -> None:
        addresses.append(server)
        show(self, server, console, artifacts)

    def interrupt_once_asked(folder: Path) -> None:
        assert answers(addresses[0])
        signal.raise_signal(number)

    monkeypatch.setattr(demo.Commands, "__init__", remember)
    monkeypatch.setattr(demo, "read_truth", interrupt_once_asked)
    before = signal.getsignal(signal.SIGTERM)
    assert demo.main() == 130
    assert "interrupted; everything is stopped" in capfd.readouterr().err
    assert not answers(addresses[0])
    assert [entry.name for entry in cache.iterdir()] == ["demo-service.log"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_failing_command_ends_the_demo_with_its_message(small, cache, capfd):
    small.manifest.unlink()
    assert demo.main() == 1
    output, notes = capfd.readouterr()
    assert "manifest.yaml" in notes
    assert "msearch-cli register failed with code 1" in notes
    assert str(demo.service_log()) in notes.replace("\n", "")
    assert not answers(address_in(output))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_demo(tmp_path):
    missing = [recipe.name for recipe in RECIPES if not (zoo_folder() / recipe.name / "built-from").is_file()]
    if missing:
        pytest.skip(f"not built here: {', '.join(missing)}; run `python -m examples.zoo build`")
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"], cwd=PROJECT, capture_output=True, text=True, timeout=840, check=False
    )
    assert done.returncode == 0, done.stderr
    for recipe in RECIPES:
        assert recipe.title in done.stdout
    assert done.stdout.count("Spearman") == len(RECIPES)
    assert "predicted without a label" in done.stdout
    assert " 0 failed" in done.stdout
