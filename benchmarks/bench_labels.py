"""How few labels it takes to find the best candidate, and how often the claimed winner is one: on the zoo's targets.

    python -m benchmarks.bench_labels [--quick]

Compares rows that `msearch_accuracy.few_labels` asks for with rows drawn at random and rows whose mean output is least
certain, each judged by counting hits; to tell the choice of rows from the estimate, random rows judged by the
posterior; and, to tell what the accuracy predictor adds, rows asked for without it. Each workload has a predictor of
the other four. Regret is the metric (accuracy; F1 for matching) lost against the best candidate on all of the target's
rows. A trial is a target, or (`--parts`) a random two thirds of its rows. Nothing was tuned on targets: the posterior's
constants were chosen on the models' validation samples.

Two workloads run at a time. It reads the zoo, fits the predictors, and follows some 100 labels on each target in five
ways; `--quick` follows few. How long it took is printed and kept.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.target_labels import count_metric, read_target_labels
from benchmarks.quality.zoo_workloads import NAMES, Bench, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy import Metric, Predictor
from msearch_accuracy.evidence import TargetEvidence
from msearch_accuracy.few_labels import NO_CLASS, Labelling
from msearch_accuracy.fitting import Examples, FitSettings, fit_form, gather
from msearch_accuracy.foresight import Foresight, foresee
from msearch_accuracy.problem import Problem, pose

BUDGETS = (0, 5, 10, 20, 30, 50, 100)
MOST, QUICK_MOST = 100, 15
MOST_COMPARED = 50
"""Labels of the ways that are only compared with."""
CONFIDENCE, TOLERANCE, REGRET = 0.95, 0.01, 0.01
_CONFIDENCES = (0.0, 0.5, 0.8, 0.95, 1.01)
QUICK_TARGETS = 3
_SETTINGS = FitSettings(jobs=1)
COUNTED_DRAWS = 20
"""Random orders of rows that are counted; the others are costly."""

CHOSEN, ALONE, RANDOM, UNCERTAIN, POSTERIOR = (
    "asked for, posterior",
    "asked for, posterior without predictor",
    "random, counted",
    "uncertain, counted",
    "random, posterior",
)
METHODS = (RANDOM, UNCERTAIN, POSTERIOR, ALONE, CHOSEN)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A target's rows with their true classes, -1 where no candidate knows it. `truth` [C] is the metric on them.

    `foresight` is what a predictor of other workloads says.
    """

    name: str
    problem: Problem
    foresight: Foresight
    labels: NDArray[np.int64]
    metric: Metric
    truth: Floats

    @property
    def positive(self) -> int | None:
        """Index of the class whose F1 counts."""
        return None if self.metric.positive is None else self.problem.classes.index(self.metric.positive)


@dataclass(slots=True)
class Course:
    """After 0, 1, ... labels: regret of the leader, share of intervals that hold the truth, confidence in the leader.

    `stopped`: where it stopped (None: it did not), and the regret there.
    """

    regrets: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    stopped: tuple[int, float] | None = None


def trials(bench: Bench, labels: dict[str, NDArray[np.str_]], predictor: Predictor, parts: int) -> Iterator[Trial]:
    """Each target whole, and `parts` random two thirds of its rows."""
    metric = bench.workload.metric
    for target in bench.targets:
        for part in range(parts + 1):
            rows = np.arange(len(target.ticks))
            if part:
                rows = np.sort(np.random.default_rng(part).permutation(len(rows))[: len(rows) * 2 // 3])
            candidates = [
                replace(candidate, probabilities=np.asarray(candidate.probabilities)[rows])
                for candidate in candidates_of(bench, target, run=True)
            ]
            evidence = TargetEvidence(target.ticks[rows])
            problem = pose(candidates, evidence, run=True)
            places = {name: place for place, name in enumerate(problem.classes)}
            found = np.array([places.get(str(label), -1) for label in labels[target.name][rows]])
            positive = None if metric.positive is None else places[metric.positive]
            yield Trial(
                f"{bench.name}/{target.name}/{part}",
                problem,
                foresee(predictor, candidates, evidence, problem.names, metric),
                found,
                metric,
                count_metric(problem.votes, found, positive),
            )


def follow_counted(trial: Trial, order: NDArray[np.int64], most: int) -> Course:
    """Labels rows in an order fixed before, and counts."""
    course = Course()
    for known in range(most + 1):
        rows = order[:known]
        values = count_metric(trial.problem.votes[:, rows], trial.labels[rows], trial.positive)
        leaders = values >= values.max() - 1e-9
        course.regrets.append(float(trial.truth.max() - trial.truth[leaders].mean()))
    return course


def follow_posterior(
    trial: Trial, order: NDArray[np.int64] | None, most: int, seed: int, *, predicted: bool = True
) -> Course:
    """Labels rows in that order, or those asked for, and judges by the posterior, with the predictor or not."""
    labelling = Labelling(
        trial.problem,
        trial.metric,
        foresight=trial.foresight if predicted else None,
        confidence=CONFIDENCE,
        tolerance=TOLERANCE,
        seed=seed,
    )
    course = Course()
    for known in range(most + 1):
        verdict = labelling.verdict()
        truth = dict(zip(trial.problem.names, trial.truth.tolist(), strict=True))
        course.regrets.append(float(trial.truth.max() - truth[verdict.leader]))
        course.inside.append(
            float(np.mean([s.low - 1e-9 <= truth[s.name] <= s.high + 1e-9 for s in verdict.standings]))
        )
        course.sure.append(verdict.confidence)
        if course.stopped is None and verdict.winner is not None:
            course.stopped = known, course.regrets[-1]
        if known == most:
            break
        asked = labelling.next_rows() if order is None else [int(order[known])]
        if not asked:
            break
        label = int(trial.labels[asked[0]])
        labelling.label(asked[0], NO_CLASS if label < 0 else trial.problem.classes[label])
    for told in (course.regrets, course.inside, course.sure):
        told.extend(told[-1:] * (most + 1 - len(told)))
    return course


def run_trial(trial: Trial, most: int, seed: int) -> dict[str, list[Course]]:
    """Every method on one trial."""
    random = np.random.default_rng(seed)
    rows, compared = len(trial.labels), min(most, MOST_COMPARED)
    mean = trial.problem.probabilities.mean(axis=0)
    doubt = -(mean * np.log(np.maximum(mean, 1e-12))).sum(axis=1)
    orders = [random.permutation(rows) for _ in range(COUNTED_DRAWS)]
    return {
        RANDOM: [follow_counted(trial, order, compared) for order in orders],
        UNCERTAIN: [follow_counted(trial, np.argsort(-doubt, kind="stable"), compared)],
        POSTERIOR: [follow_posterior(trial, orders[0], compared, seed)],
        ALONE: [follow_posterior(trial, None, compared, seed, predicted=False)],
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
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_TARGETS} targets a workload; the bars prove nothing"
    )
    parser.add_argument("--parts", type=int, default=0, metavar="N", help="further trials a target (default 0)")
    options = parser.parse_args(arguments)
    report = Report("labels", options.quick)
    most, parts = (QUICK_MOST, 0) if options.quick else (MOST, options.parts)
    start = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        read = dict(zip(NAMES, pool.map(_read, NAMES), strict=True))
        print(f"[{time.monotonic() - start:5.0f} s] read the zoo, ran its models, cross-evaluated", flush=True)
        drawn = {name: examples for name, (_, _, examples) in read.items()}
        predictors = dict(zip(NAMES, pool.map(_fit, [_others(drawn, name) for name in NAMES]), strict=True))
        print(f"[{time.monotonic() - start:5.0f} s] fitted predictors, each without its workload", flush=True)
        asked = [(*read[name][:2], predictors[name], parts, most, options.quick) for name in NAMES]
        found = dict(zip(NAMES, pool.map(_run_workload, asked), strict=True))
    print_and_keep(found, report, most)
    report.figure("seconds of the whole run", round(time.monotonic() - start, 1))
    print(f"{time.monotonic() - start:.0f} s")
    return report.finish()


def _read(name: str) -> tuple[Bench, dict[str, NDArray[np.str_]], Examples]:
    bench = read_bench(name)
    return bench, read_target_labels(name), gather(bench.workload, 0, _SETTINGS)["outputs"]


def _others(drawn: Mapping[str, Examples], name: str) -> list[Examples]:
    return [examples for other, examples in drawn.items() if other != name]


def _fit(drawn: Sequence[Examples]) -> Predictor:
    """A predictor for a workload that is not among these; candidates are run, so the other form is not needed."""
    return Predictor({"outputs": fit_form(drawn, 0, _SETTINGS, form="outputs", by_workload=True)}, ())


def _run_workload(
    key: tuple[Bench, dict[str, NDArray[np.str_]], Predictor, int, int, bool],
) -> dict[str, list[Course]]:
    bench, labels, predictor, parts, most, quick = key
    found: dict[str, list[Course]] = defaultdict(list)
    start, count = time.monotonic(), 0
    for seed, trial in enumerate(trials(bench, labels, predictor, parts)):
        if len(trial.labels) < min(most, MOST_COMPARED) or (quick and seed >= QUICK_TARGETS):
            continue
        count += 1
        for method, courses in run_trial(trial, most, seed).items():
            found[method] += courses
    print(f"{bench.name}: {count} trials in {time.monotonic() - start:.0f} s", flush=True)
    return found


def print_and_keep(found: dict[str, dict[str, list[Course]]], report: Report, most: int) -> None:
    """Prints the tables, and keeps their figures and the bars; `found` by workload, then by method."""
    budgets = [budget for budget in BUDGETS if budget <= most]
    print(f"\nmean regret after so many labels, and the median of labels until it stays at most {REGRET}\n")
    rows, overall = [], {}
    for method in METHODS:
        means = {name: np.mean([c.regrets for c in by[method]], axis=0) for name, by in found.items()}
        overall[method] = np.mean(list(means.values()), axis=0)
        told = [budget for budget in budgets if budget < len(overall[method])]
        for name, mean in [*means.items(), ("mean", overall[method])]:
            labels = needed(found[name][method], len(mean) - 1) if name in found else float("nan")
            rows.append(
                [f"{method}: {name}", *(f"{mean[b]:.4f}" if b in told else "" for b in budgets), _number(labels)]
            )
            report.figure(f"{method}: {name}", {str(b): round(float(mean[b]), 4) for b in told})
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
    inside = _print_coverage(found, budgets, report)
    report.bar("labels_interval_coverage_low", inside, limit=0.87, more_is_better=True)
    at = min(20, most)
    report.bar("labels_regret_20_of_random", overall[CHOSEN][at] / overall[RANDOM][at], limit=0.5)


def _print_coverage(found: dict[str, dict[str, list[Course]]], budgets: Sequence[int], report: Report) -> float:
    """Coverage of the 90 % intervals by workload and labels, and how often leaders of a confidence were right.

    Gives the mean over workloads and numbers of labels above 0, where the interval is the posterior's own.
    """
    print("\nshare of the 90 % intervals that hold the truth, after so many labels; rows asked for\n")
    shares = {name: [np.mean([c.inside[b] for c in by[CHOSEN]]) for b in budgets] for name, by in found.items()}
    shares["mean"] = np.mean(list(shares.values()), axis=0).tolist()
    print_table(["workload", *map(str, budgets)], [[n, *(f"{s:.3f}" for s in row)] for n, row in shares.items()])
    for name, row in shares.items():
        report.figure(f"coverage: {name}", {str(b): round(float(s), 4) for b, s in zip(budgets, row, strict=True)})
    print(f"\nhow often leaders of a confidence were at most {TOLERANCE} below the best, over these labels\n")
    judged = [
        (c.sure[b], c.regrets[b] <= TOLERANCE + 1e-9) for by in found.values() for c in by[CHOSEN] for b in budgets
    ]
    rows = []
    for low, high in itertools.pairwise(_CONFIDENCES):
        held = [(sure, right) for sure, right in judged if low <= sure < high]
        if held:
            means = np.mean(held, axis=0)
            rows.append([f"{low:g} to {min(high, 1):g}", str(len(held)), *(f"{value:.3f}" for value in means)])
    print_table(["confidence", "leaders", "mean confidence", "right"], rows)
    report.figure("confidence", [dict(zip(("confidence", "leaders", "mean", "right"), r, strict=True)) for r in rows])
    return float(np.mean(shares["mean"][1:]))


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
