"""`python -m examples.deploying`: from a sample without labels to a folder that serves the answer, on real models.

Registers the zoo's images with a service of its own, has a profiler agent of this host measure the two candidates that
cover old maps best, in four forms each, asks what to deploy for a rate and at what cost, exports it, and runs what was
exported on the sample. Where others keep the host busy the runs do not count, and it says that nothing was measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from examples.demo import CommandFailed, Commands
from examples.service_process import ServiceFailed, running_agent, running_service
from examples.zoo.building import build_zoo
from examples.zoo.locations import cache_folder
from examples.zoo.reading import target_path

_WORKLOAD, _TARGET = "images", "maps"
_MODELS = ("digits-scans", "digits-maps")
_SAMPLE = "600"
_FORMS = ("--backend", "onnxruntime", "--backend", "openvino", "--precision", "fp32", "--precision", "int8_static")
_LOADS = ("--load", "server:200", "--load", "find_peak:20", "--repeats", "3", "--min-duration", "1")
_QUESTION = ("--tag", "digits", "--require", "p99_ms<=20", "--load", "server:200", "--rate", "5000")
_SHOWN_ROWS = "2"
_PRICES = """\
date = "2026-11-26"

[sources.bill]
title = "An example, not a bill"
date = "2026-11-26"

[host_classes]
"{host_class}" = {{ usd_per_hour = 0.21, source = "bill" }}
"""


def run(console: Console) -> None:
    """Goes all the way; stops everything it started.

    Raises:
        ServiceFailed, CommandFailed: one of the parts failed; its own message is on the terminal.
    """
    zoo = build_zoo(Console(stderr=True))
    folder = zoo.folder / _WORKLOAD
    data = target_path(folder, _TARGET)
    logs = cache_folder()
    with tempfile.TemporaryDirectory(dir=logs, prefix="deploying-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        (place / "service").mkdir()
        (place / "agent").mkdir()
        with running_service(place / "service", logs / "deploying-service.log") as server:
            commands = Commands(server, console, place / "artifacts")
            commands.run("register", "--manifest", folder / "manifest.yaml", "--sample", _SAMPLE)
            console.print(f"[dim]$ msearch-agent --server {server}[/]", highlight=False)
            with running_agent(server, place / "agent", logs / "deploying-agent.log"):
                agents = json.loads(commands.run("agents", "list", "--json", capture=True))["agents"]
                for model in _MODELS:
                    commands.run("profile", model, *_FORMS, *_LOADS)
            prices = place / "my-prices.toml"
            prices.write_text(_PRICES.format(host_class=agents[0]["host_class"]), encoding="utf-8")
            _deploy(commands, data, prices, place / "deploy", console)


def _deploy(commands: Commands, data: Path, prices: Path, deployed: Path, console: Console) -> None:
    """Asks, exports the first answer, and runs that; says so where there is none."""
    question = ("recommend", "--data", data, *_QUESTION, "--prices", prices)
    commands.run(*question)
    if not json.loads(commands.run(*question, "--json", capture=True))["configurations"]:
        console.print("nothing to export: no configuration was measured to meet the limit on this host", style="yellow")
        return
    console.print(commands.run(*question, "--export", deployed, capture=True).splitlines()[-1], highlight=False)
    (program,) = deployed.glob("run_*.py")
    words = [str(program), str(data), _SHOWN_ROWS]
    console.print(f"[dim]$ python {' '.join(words)}[/]", highlight=False, soft_wrap=True)
    done = subprocess.run([sys.executable, *words], check=False)
    if done.returncode:
        raise CommandFailed(f"{program.name} failed with code {done.returncode}")


def main() -> int:
    """Runs it; returns the exit code."""
    try:
        run(Console())
    except (ServiceFailed, CommandFailed) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
