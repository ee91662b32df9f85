"""How few labels it takes to find the best candidate, and how often the claimed winner is one: on the zoo's targets.

    python -m benchmarks.bench_labels [--quick]

Compares rows that `msearch_accuracy.few_labels` asks for with rows drawn at random and rows whose mean output is least
certain, each judged by counting hits; and, to tell the choice of rows from the estimate, random rows judged by the
posterior. Regret is the metric (accuracy; F1 for matching) lost against the best candidate on all of the target's rows.
A trial is a target, or (`--parts`) a random two thirds of its rows. Nothing was tuned on targets: the posterior's
constants were chosen on the models' validation samples.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.target_labels import count_metric, read_target_labels
from benchmarks.quality.zoo_workloads import NAMES, Bench, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy import Metric
from msearch_accuracy.evidence import TargetEvidence
from msearch_accuracy.few_labels import NO_CLASS, Labelling
from msearch_accuracy.problem import Problem, pose

BUDGETS = (0, 5, 10, 20, 30, 50)
MOST, QUICK_MOST = 50, 15
CONFIDENCE, TOLERANCE, REGRET = 0.95, 0.01, 0.01
COUNTED_DRAWS = 20
"""Random orders of rows that are counted; the others are costly."""

CHOSEN, RANDOM, UNCERTAIN, POSTERIOR = (
    "asked for, posterior",
    "random, counted",
    "uncertain, counted",
    "random, posterior",
)
METHODS = (RANDOM, UNCERTAIN, POSTERIOR, CHOSEN)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A target's rows with their true classes, -1 where no candidate knows it. `truth` [C] is the metric on them."""

    name: str
    problem: Problem
    labels: NDArray[np.int64]
    metric: Metric
    truth: Floats

    @property
    def positive(self) -> int | None:
        """Index of the class whose F1 counts."""
        return None if self.metric.positive is None else self.problem.classes.index(self.metric.positive)


@dataclass(slots=True)
class Course:
    """Regret of the leader after 0, 1, ... labels; where it stopped (None: it did not) and the regret there."""

    regrets: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    stopped: tuple[int, float] | None = None


def trials(bench: Bench, labels: dict[str, NDArray[np.str_]], parts: int) -> Iterator[Trial]:
    """Each target whole, and `parts` random two thirds of its rows."""
    for target in bench.targets:
        posed = pose(candidates_of(bench, target, run=True), TargetEvidence(target.ticks), run=True)
        places = {name: place for place, name in enumerate(posed.classes)}
        found = np.array([places.get(str(label), -1) for label in labels[target.name]])
        for part in range(parts + 1):
            rows = np.arange(len(found))
            if part:
                rows = np.sort(np.random.default_rng(part).permutation(len(rows))[: len(rows) * 2 // 3])
            yield _cut(f"{bench.name}/{target.name}/{part}", posed, found, rows, bench.workload.metric)


def _cut(name: str, posed: Problem, labels: NDArray[np.int64], rows: NDArray[np.int64], metric: Metric) -> Trial:
    problem = Problem(
        names=posed.names,
        classes=posed.classes,
        rows=posed.rows[rows],
        weights=posed.weights[rows],
        probabilities=posed.probabilities[:, rows],
        votes=posed.votes[:, rows],
        known=posed.known,
        accuracies=posed.accuracies,
        sources=posed.sources,
        distances=posed.distances[:, rows],
        own_share=posed.own_share[:, rows],
        spacings=posed.spacings,
    )
    positive = None if metric.positive is None else posed.classes.index(metric.positive)
    return Trial(name, problem, labels[rows], metric, count_metric(problem.votes, labels[rows], positive))


def follow_counted(trial: Trial, order: NDArray[np.int64], most: int) -> Course:
    """Labels rows in an order fixed before, and counts."""
    course = Course()
    for known in range(most + 1):
        rows = order[:known]
        values = count_metric(trial.problem.votes[:, rows], trial.labels[rows], trial.positive)
        leaders = values >= values.max() - 1e-9
        course.regrets.append(float(trial.truth.max() - trial.truth[leaders].mean()))
    return course


def follow_posterior(trial: Trial, order: NDArray[np.int64] | None, most: int, seed: int) -> Course:
    """Labels rows in that order, or those that are asked for, and judges by the posterior."""
    labelling = Labelling(trial.problem, trial.metric, confidence=CONFIDENCE, tolerance=TOLERANCE, seed=seed)
    course = Course()
    for known in range(most + 1):
        verdict = labelling.verdict()
        truth = dict(zip(trial.problem.names, trial.truth.tolist(), strict=True))
        course.regrets.append(float(trial.truth.max() - truth[verdict.leader]))
        course.inside.append(
            float(np.mean([s.low - 1e-9 <= truth[s.name] <= s.high + 1e-9 for s in verdict.standings]))
        )
        if course.stopped is None and verdict.winner is not None:
            course.stopped = known, course.regrets[-1]
        if known == most:
            break
        asked = labelling.next_rows() if order is None else [int(order[known])]
        if not asked:
            break
        label = int(trial.labels[asked[0]])
        labelling.label(asked[0], NO_CLASS if label < 0 else trial.problem.classes[label])
    course.regrets += course.regrets[-1:] * (most + 1 - len(course.regrets))
    course.inside += course.inside[-1:] * (most + 1 - len(course.inside))
    return course


def run_trial(trial: Trial, most: int, seed: int) -> dict[str, list[Course]]:
    """Every method on one trial."""
    random = np.random.default_rng(seed)
    rows = len(trial.labels)
    mean = trial.problem.probabilities.mean(axis=0)
    doubt = -(mean * np.log(np.maximum(mean, 1e-12))).sum(axis=1)
    orders = [random.permutation(rows) for _ in range(COUNTED_DRAWS)]
    return {
        RANDOM: [follow_counted(trial, order, most) for order in orders],
        UNCERTAIN: [follow_counted(trial, np.argsort(-doubt, kind="stable"), most)],
        POSTERIOR: [follow_posterior(trial, orders[0], most, seed)],
        CHOSEN: [follow_posterior(trial, None, most, seed)],
    }


def needed(courses: Sequence[Course], most: int) -> float:
    """Median over trials of the labels after which the regret stays at most `REGRET`; infinite if it never does."""
    firsts = []
    for course in courses:
        above = np.flatnonzero(np.array(course.regrets) > REGRET + 1e-9)
        first = 0 if not len(above) else int(above[-1]) + 1
        firsts.append(first if first <= most else np.inf)
    return float(np.median(firsts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; gives 1 if a bar is short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three targets a workload; the bars prove nothing")
    parser.add_argument("--parts", type=int, default=0, metavar="N", help="further trials a target (default 0)")
    options = parser.parse_args(arguments)
    report = Report("labels", options.quick)
    most = QUICK_MOST if options.quick else MOST
    start = time.monotonic()
    found: dict[str, dict[str, list[Course]]] = {}
    for name in NAMES:
        bench, labels = read_bench(name), read_target_labels(name)
        found[name] = defaultdict(list)
        for seed, trial in enumerate(trials(bench, labels, 0 if options.quick else options.parts)):
            if len(trial.labels) < most or (options.quick and seed >= 3):
                continue
            for method, courses in run_trial(trial, most, seed).items():
                found[name][method] += courses
        print(f"[{time.monotonic() - start:5.0f} s] {name}: {len(found[name][CHOSEN])} trials", flush=True)
    _print_and_keep(found, report, most)
    return report.finish()


def _print_and_keep(found: dict[str, dict[str, list[Course]]], report: Report, most: int) -> None:
    budgets = [budget for budget in BUDGETS if budget <= most]
    print(f"\nmean regret after so many labels, and the median of labels until it stays at most {REGRET}\n")
    rows, overall = [], {}
    for method in METHODS:
        means = {name: np.mean([c.regrets for c in by[method]], axis=0) for name, by in found.items()}
        overall[method] = np.mean(list(means.values()), axis=0)
        for name, mean in [*means.items(), ("mean", overall[method])]:
            labels = needed(found[name][method], most) if name in found else float("nan")
            rows.append([f"{method}: {name}", *(f"{mean[b]:.4f}" for b in budgets), _number(labels)])
            report.figure(f"{method}: {name}", {str(b): round(float(mean[b]), 4) for b in budgets})
            if name in found:
                report.figure(f"{method}: {name}: labels needed", _number(labels))
    print_table(["rows and estimate: workload", *map(str, budgets), "needed"], rows)
    print(f"\nstopping at confidence {CONFIDENCE}, tolerance {TOLERANCE}; rows asked for\n")
    stops = [_stops(name, by[CHOSEN], most) for name, by in found.items()]
    every = [course for by in found.values() for course in by[CHOSEN]]
    stops.append(_stops("all", every, most))
    print_table(["workload", "trials", "stopped", "labels", "over 0.01", "over 0.02", "in 90 %"], stops)
    report.figure("stopping", [dict(zip(("workload", "trials", "stopped", "labels", "over 0.01", "over 0.02",
                                         "inside 90 %"), row, strict=True)) for row in stops])  # fmt: skip
    ended = [course.stopped for course in every if course.stopped]
    report.bar("labels_wrong_winners", np.mean([r > TOLERANCE + 1e-9 for _, r in ended]) if ended else 1, limit=0.05)
    inside = float(np.mean([np.mean(course.inside) for course in every]))
    report.bar("labels_interval_coverage_low", inside, limit=0.87, more_is_better=True)
    at = min(20, most)
    report.bar("labels_regret_20_of_random", overall[CHOSEN][at] / overall[RANDOM][at], limit=0.5)


def _stops(name: str, courses: Sequence[Course], most: int) -> list[str]:
    ended = [course.stopped for course in courses if course.stopped]
    at = [b for b in BUDGETS if b <= most]
    return [
        name,
        str(len(courses)),
        str(len(ended)),
        _number(float(np.median([labels for labels, _ in ended])) if ended else float("nan")),
        *(str(sum(regret > limit + 1e-9 for _, regret in ended)) for limit in (0.01, 0.02)),
        f"{np.mean([[course.inside[b] for b in at] for course in courses]):.3f}",
    ]


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"over {MOST}" if np.isinf(value) else f"{value:g}"


if __name__ == "__main__":
    sys.exit(main())
