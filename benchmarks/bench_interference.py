"""Does a neighbour change what is measured? Two jobs at once on two agents of one host, against each job alone.

    python -m benchmarks.bench_interference [--quick]

Both agents run on this host, so only the exclusive use of the device keeps their measurements apart. A job is measured
alone, then again while another works beside it, and `compare` judges the pair; the bar counts the pairs that are not
SAME. As many pairs of two runs alone say what the host itself does. A profile that is INVALID is measured again, as an
experiment does it; one that stays so counts as changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.perceptron import perceptron_card, perceptron_of
from benchmarks.report import Report, print_table
from benchmarks.service_under_test import running
from examples.service_process import running_agent
from msearch_client import Client, Comparison, LocalError, Profile, RunLimits

PAIRS = 3
TRIES = 3
VARIANT = "onnxruntime fp32"
LOADS = ("single_stream", "server:50")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short pair; the bar then proves nothing")
    quick = parser.parse_args().quick
    report = Report("interference", quick=quick)
    limits = RunLimits(min_duration_s=1.0 if quick else 5.0, repeats=2 if quick else 7, precision=0.01)
    together: list[Comparison | str] = []
    alone: list[Comparison | str] = []
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        for name in ("service", "first", "second"):
            (folder / name).mkdir()
        address = stack.enter_context(running(folder / "service"))
        for name in ("first", "second"):
            stack.enter_context(running_agent(address, folder / name, folder / f"{name}.log", name=name))
        client = stack.enter_context(Client(address, timeout_s=60))
        for name, time_ms in (("watched", 4.0), ("neighbour", 1.0)):
            client.register_model(perceptron_card(name), artifact=perceptron_of(time_ms).artifact)
        _measure(client, "watched", limits)  # fills the caches
        for _ in range(1 if quick else PAIRS):
            first = _measure(client, "watched", limits)
            again = _measure(client, "watched", limits)
            alone += _compared(client, first, again)
            beside = _measure(client, "watched", limits, neighbour="neighbour")
            together += _compared(client, again, beside)
    rows = [[where, *_counts(found)] for where, found in (("alone twice", alone), ("beside another job", together))]
    print_table(["pairs of profiles", "SAME", "AMBIGUOUS", "BETTER", "WORSE", "INVALID", "largest effect"], rows)
    for name, found in (("alone", alone), ("together", together)):
        report.figure(name, [one if isinstance(one, str) else one.to_dict() for one in found])
    report.bar("profiles_changed_by_a_neighbour", _changed(together), limit=0)
    return report.finish()


def _measure(client: Client, model: str, limits: RunLimits, *, neighbour: str | None = None) -> list[Profile]:
    """A profile of each load, the last one where none was VALID; each try beside a job of the neighbour, if any."""
    found: dict[str, Profile] = {}
    wanted = list(LOADS)
    for _ in range(TRIES):
        beside = client.submit_job(neighbour, variants=VARIANT, loads=LOADS, limits=limits) if neighbour else None
        for profile in client.profile(model, variants=VARIANT, loads=wanted, limits=limits).profiles:
            found[profile.load_text] = profile
        if beside:
            client.profiles_of(beside)
        wanted = [load for load, profile in found.items() if not profile.valid]
        if not wanted:
            break
    return list(found.values())


def _compared(client: Client, first: Sequence[Profile], second: Sequence[Profile]) -> list[Comparison | str]:
    """One comparison a load; the reason in words where a profile is INVALID."""
    by_load = {profile.load_text: profile for profile in second}
    found: list[Comparison | str] = []
    for profile in first:
        try:
            found.append(client.compare(profile, by_load[profile.load_text], min_effect=0.05))
        except LocalError as error:
            found.append(error.message)
    return found


def _counts(found: Sequence[Comparison | str]) -> list[str]:
    answers = [one.answer.value for one in found if isinstance(one, Comparison)]
    largest = max((abs(one.effect) for one in found if isinstance(one, Comparison)), default=0.0)
    counts = [answers.count(name) for name in ("SAME", "AMBIGUOUS", "BETTER", "WORSE")]
    return [*map(str, counts), str(len(found) - len(answers)), f"{100 * largest:.1f} %"]


def _changed(found: Sequence[Comparison | str]) -> int:
    """Pairs that differ. One that is INVALID tells nothing and counts as changed: a neighbour may have made it so."""
    return sum(isinstance(one, str) or one.answer.value in ("BETTER", "WORSE") for one in found)


if __name__ == "__main__":
    sys.exit(main())
