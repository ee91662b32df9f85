"""msearch-cli as a process: exit codes, what goes to which stream, interrupts, pipes, and `serve`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.small_zoo import make_card, write_zoo

CLI = [sys.executable, "-c", "from msearch_client.cli import main; main()"]


def environment(**variables: str) -> dict[str, str]:
    """This process's variables without those of msearch, and with these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")} | variables


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *words], capture_output=True, text=True, env=environment(**variables), timeout=120, check=False
    )


def test_json_is_all_there_is(server: str, tmp_path: Path) -> None:
    manifest = write_zoo(tmp_path)
    registered = run("register", "--manifest", str(manifest), "--json", MSEARCH_SERVER=server)
    assert (registered.returncode, registered.stderr) == (0, "")
    assert json.loads(registered.stdout)["registered"] == 3
    for words in (["query", "--data", str(tmp_path / "target.parquet")], ["models", "list"], ["scores"], ["config"]):
        done = run(*words, "--json", MSEARCH_SERVER=server)
        assert (done.returncode, done.stderr) == (0, "")
        json.loads(done.stdout)


def test_a_service_that_is_down_is_one_clear_line() -> None:
    done = run("models", "list", MSEARCH_SERVER="127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: no answer from the service at 127.0.0.1:1")
    assert hint.startswith("hint: start it with `msearch-cli serve`")


def test_wrong_usage_is_2() -> None:
    done = run("models", "list", "--fly")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No such option: --fly")


def test_without_words_it_shows_help() -> None:
    done = run()
    assert done.returncode == 0
    assert "query" in done.stdout


def test_version_is_known() -> None:
    assert json.loads(run("version", "--json").stdout)["msearch"]


def test_config_says_where_settings_come_from(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('server = "somewhere:77"\n', encoding="utf-8")
    shown = json.loads(run("config", "--json", MSEARCH_CONFIG=str(config), MSEARCH_TIMEOUT_S="9").stdout)
    assert shown["server"] == {"value": "somewhere:77", "origin": f"file {config}"}
    assert shown["timeout_s"] == {"value": 9.0, "origin": "variable MSEARCH_TIMEOUT_S"}
    assert "somewhere:77" in run("config", MSEARCH_CONFIG=str(config)).stdout
    assert json.loads(run("config", "--server", "there:1", "--json").stdout)["server"]["origin"] == "argument"


def test_a_defect_says_how_to_see_more(tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text(
        "import msearch_client.cli.about as about\n"
        "about.installed_version = lambda name: 1 / 0\n"
        "from msearch_client.cli import main\n"
        "main()\n",
        encoding="utf-8",
    )
    words = [sys.executable, str(tmp_path / "breaking.py"), "version"]
    plain = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert plain.returncode == 1
    assert plain.stderr.splitlines() == [
        "error: unexpected ZeroDivisionError: division by zero",
        "hint: this is a defect of msearch-cli; MSEARCH_DEBUG=1 shows the traceback",
    ]
    debug = environment(MSEARCH_DEBUG="1")
    traced = subprocess.run(words, capture_output=True, text=True, env=debug, timeout=120, check=False)
    assert "Traceback" in traced.stderr


@pytest.mark.parametrize("words", [["models", "list"], ["register", "--manifest", "zoo.yaml"]], ids=" ".join)
def test_ctrl_c_is_130_and_quiet(tmp_path: Path, words: list[str]) -> None:
    card = make_card("hosted", artifact={"format": "none"})
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    manifest = {"version": 1, "models": [{"card": "card.yaml"}] * 9}
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    # A port that accepts and never answers keeps the call waiting until the interrupt.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*CLI, *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(MSEARCH_SERVER=address),
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr


def test_ctrl_c_while_it_starts_is_130_and_quiet(tmp_path: Path) -> None:
    """A module that the program imports interrupts it, in place of a hand that is quick enough."""
    interrupt = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    (tmp_path / "typer.py").write_text(interrupt, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from msearch_cli import main; main()", "version"],
        cwd=tmp_path, capture_output=True, text=True, env=environment(), timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_reader_that_goes_away_is_no_error_message(server: str) -> None:
    process = subprocess.Popen(
        [*CLI, "scores", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(MSEARCH_SERVER=server),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert stderr == b""


@pytest.mark.slow
def test_serve_becomes_the_service(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    words = ["serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--ready-file", str(ready)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*CLI, *words], stdout=log, stderr=log, env=environment())
        try:
            while not ready.exists():
                assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
                time.sleep(0.05)
            listed = run("models", "list", MSEARCH_SERVER=ready.read_text(encoding="utf-8").strip())
        finally:
            process.terminate()
    assert process.wait(60) == 0
    assert listed.stdout == "0 models\n"


def test_serve_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "from msearch_client.cli import handing_over, main\n"
        "handing_over.find_spec = lambda name: None if name == 'sqlalchemy' else True\n"
        "main()\n",
        encoding="utf-8",
    )
    words = [sys.executable, str(tmp_path / "bare.py"), "serve"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the service cannot run here: sqlalchemy not installed",
        "hint: run `pip install 'msearch[service]'`",
    ]
