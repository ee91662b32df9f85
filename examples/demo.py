"""`make demo`: registers the example zoo with a service of its own and asks one question of each kind of workload; runs
the best candidates of one target on it, to foretell their accuracies; then starts a profiler agent, measures the best
candidates, asks again with a limit on their latency, and for a recommendation what to deploy.

The service sees models, cards, and signatures of the sources. The labels of the targets, and so the true accuracies
printed beside its rankings, it never sees.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from examples.service_process import ServiceFailed, running_agent, running_service
from examples.zoo.building import Zoo, build_zoo
from examples.zoo.entries import Recipe
from examples.zoo.locations import cache_folder
from examples.zoo.quality import judge
from examples.zoo.reading import Truth, read_truth, target_path

_SHOWN = 6
_SCORES = "adaptivity,nearest"
_RUN = 8
_MEASURED = 3
_LOAD = "server:200"
_LIMIT = "p99_ms<=20"
_RATE = "1000"


class CommandFailed(Exception):
    """A command of the demo failed; the message is what it said."""


class Commands:
    """Runs `msearch-cli` against one service, and shows each command as a reader would type it."""

    def __init__(self, server: str, console: Console, artifacts: Path) -> None:
        self._environment = os.environ | {"MSEARCH_SERVER": server, "MSEARCH_ARTIFACTS": str(artifacts)}
        self._console = console
        self._program = Path(sys.executable).with_name("msearch-cli")
        console.print(f"[dim]$ export MSEARCH_SERVER={server}[/]", highlight=False)

    def run(self, *arguments: str | Path, capture: bool = False) -> str:
        """Runs one command; gives its standard output if captured, else it goes to the terminal.

        Raises:
            CommandFailed: it ended with an error.
        """
        words = [_shorten(argument) for argument in arguments]
        self._console.print(f"[dim]$ msearch-cli {shlex.join(words)}[/]", highlight=False, soft_wrap=True)
        done = subprocess.run(
            [str(self._program), *map(str, arguments)],
            env=self._environment,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"msearch-cli {arguments[0]} failed with code {done.returncode}")
        return done.stdout or ""


def service_log() -> Path:
    """The log of the last demo's service."""
    return cache_folder() / "demo-service.log"


def agent_log() -> Path:
    """The log of the last demo's profiler agent."""
    return cache_folder() / "demo-agent.log"


def run(zoo: Zoo, console: Console) -> None:
    """Registers the zoo with a fresh service and prints a ranking per workload; stops everything it started.

    Raises:
        ServiceFailed, CommandFailed: one of the parts failed; its own message is on the terminal.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="demo-", ignore_cleanup_errors=True) as folder:
        console.rule("A search service on loopback, with SQLite")
        with running_service(Path(folder), service_log()) as server:
            commands = Commands(server, console, Path(folder) / "artifacts")
            start = time.monotonic()
            commands.run("register", "--manifest", zoo.manifest)
            console.print(f"[dim]({time.monotonic() - start:.0f} s)[/]", highlight=False)
            for recipe in zoo.recipes:
                _ask(recipe, zoo.folder / recipe.name, commands, console)
            first = zoo.recipes[0]
            _foretell(first, zoo.folder / first.name, commands, console)
            _measure(first, zoo.folder / first.name, commands, server, console)


def _foretell(recipe: Recipe, folder: Path, commands: Commands, console: Console) -> None:
    """Runs the first candidates of a target on it, here, and shows what their outputs foretell beside the truth."""
    console.rule(f"{recipe.title}: the {_RUN} that cover it best, run on it here: how accurate will they be?")
    data = target_path(folder, recipe.demo_target)
    options = ("--tag", recipe.tag, "--rerank", str(_RUN), "--local", "--json")
    ranking = json.loads(commands.run("query", "--data", data, *options, capture=True))
    true_values = read_truth(folder).targets[recipe.demo_target]["candidates"]
    table = Table("rank", "model", "predicted", "90 % interval", "true", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    errors, inside = [], 0
    for candidate in ranking["candidates"]:
        found, true = candidate["prediction"], true_values[candidate["model"]["name"]]["accuracy"]
        errors.append(abs(found["accuracy"] - true))
        inside += found["low"] <= true <= found["high"]
        interval = f"{found['low']:.2f} - {found['high']:.2f}"
        name = candidate["model"]["name"]
        table.add_row(str(candidate["rank"]), name, _show(found["accuracy"]), interval, _show(true))
    console.print(table)
    if not errors:
        raise CommandFailed(f"no candidate could be run: {ranking['failed']}")
    console.print(
        f"predicted without a label, by a predictor that was fitted on other rows; mean error {np.mean(errors):.3f}, "
        f"{inside} of {len(errors)} inside their interval",
        highlight=False,
        soft_wrap=True,
    )


def _measure(recipe: Recipe, folder: Path, commands: Commands, server: str, console: Console) -> None:
    """Profiles the first candidates of a target on this host, and asks with a limit on what was measured."""
    console.rule(f"{recipe.title}: which of them answer 200 requests a second within 20 ms, on this host?")
    data = target_path(folder, recipe.demo_target)
    question = ("query", "--data", data, "--tag", recipe.tag)
    ranking = json.loads(commands.run(*question, "--top", str(_MEASURED), "--json", capture=True))
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="demo-", ignore_cleanup_errors=True) as place:
        console.print(f"[dim]$ msearch-agent --server {server}[/]", highlight=False)
        with running_agent(server, Path(place), agent_log()):
            for candidate in ranking["candidates"]:
                options = ("--backend", "onnxruntime", "--load", _LOAD, "--repeats", "3", "--min-duration", "1")
                commands.run("profile", candidate["model"]["name"], *options)
    commands.run(*question, "--require", _LIMIT, "--load", _LOAD, "--top", "5")
    commands.run("recommend", *question[1:], "--require", _LIMIT, "--load", _LOAD, "--rate", _RATE)


def _ask(recipe: Recipe, folder: Path, commands: Commands, console: Console) -> None:
    truth = read_truth(folder)
    console.rule(f"{recipe.title}: {truth.targets[recipe.demo_target]['description']}")
    data = target_path(folder, recipe.demo_target)
    # The tag keeps to the models of this workload: sentiment and topics both read text.
    options = ("--tag", recipe.tag, "--scores", _SCORES, "--top", "1000", "--json")
    ranking = json.loads(commands.run("query", "--data", data, *options, capture=True))
    _print_ranking(ranking, truth, recipe.demo_target, console)


def _print_ranking(ranking: dict[str, Any], truth: Truth, target: str, console: Console) -> None:
    reached, related = truth.values(target), truth.related(target)
    candidates = ranking["candidates"]
    names = [candidate["model"]["name"] for candidate in candidates]
    others = [name for name in names if name not in related]
    if not others:
        raise CommandFailed("the ranking is empty: " + "; ".join(ranking["notices"]))
    best = max(reached[name] for name in others)
    scores = [score["score"] for score in candidates[0]["scores"]]
    table = Table("rank", "model", *scores, f"true {truth.metric}", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for place, (candidate, name) in enumerate(zip(candidates, names, strict=True)):
        is_best = name not in related and reached[name] == best
        if place < _SHOWN or is_best:
            mark = " (the same, at another time)" if name in related else " *" if is_best else ""
            values = [_show(score["value"]) for score in candidate["scores"]]
            table.add_row(str(candidate["rank"]), name + mark, *values, _show(reached[name]))
    console.print(table)
    true_values = np.array([reached[name] for name in others])
    quality = judge(-np.arange(len(others), dtype=float), true_values)
    console.print(
        f"{len(others)} candidates, Spearman {quality.spearman:.2f}; {truth.metric} of the pick {true_values[0]:.3f}, "
        f"of the best (*) {best:.3f}, mean {true_values.mean():.3f}",
        highlight=False,
        soft_wrap=True,
    )
    for name in sorted(set(reached) - set(names)):
        console.print(f"[dim]not ranked, no source sample: {name}, true {truth.metric} {_show(reached[name])}[/]")


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shorten(argument: str | Path) -> str:
    """Paths as they are typed from here."""
    if isinstance(argument, Path) and argument.is_relative_to(Path.cwd()):
        return str(argument.relative_to(Path.cwd()))
    return str(argument)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ends on SIGTERM as on Ctrl-C, so that what was started is stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> int:
    """Builds the zoo where needed and runs the demo; returns the exit code."""
    console, notes = Console(), Console(stderr=True)
    start = time.monotonic()
    try:
        with _stoppable():
            zoo = build_zoo(notes)
            if not zoo.recipes:
                notes.print("no workload could be built; the reasons are above", style="red")
                return 1
            run(zoo, console)
    except (ServiceFailed, CommandFailed) as error:
        notes.print(f"{error}\nthe service's log is {service_log()}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        notes.print("interrupted; everything is stopped")
        return 130
    console.rule()
    for name, reason in zoo.skipped.items():
        console.print(f"skipped {name}: {reason}", highlight=False)
    console.print(f"done in {time.monotonic() - start:.0f} s; the zoo stays in {zoo.folder}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
