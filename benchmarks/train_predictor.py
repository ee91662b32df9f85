"""Trains the default predictor on the public workloads and writes it into the package.

    python -m benchmarks.train_predictor [--quick]

Needs the zoo (`python -m examples.zoo build`); takes a few minutes. Beside the predictor it writes, as JSON, how
predictors of four workloads do on the fifth: what the default can be expected to do on data of a new kind. `--quick`
writes nothing and only shows that the training runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.fits import fit_default
from benchmarks.quality.judging import Judged, judge, mean_judged
from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.zoo_workloads import NAMES, Bench, read_bench
from msearch_accuracy import Predictor, TargetEvidence, predict
from msearch_accuracy.fitting import Examples, FitSettings, gather
from msearch_accuracy.predictor import FORMS, Form
from msearch_accuracy.shipped import FIGURES, FILE

SEED = 0
_QUICK = FitSettings(pseudo_targets=0, trees=5, fold_trees=3, rows_a_pair=8)
_LARGEST_BYTES = 5_000_000


def main(arguments: list[str] | None = None) -> int:
    """Trains and writes; gives 1 if the file would be too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="train little and write nothing")
    quick = parser.parse_args(arguments).quick
    settings = _QUICK if quick else FitSettings()
    start = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        benches = dict(zip(NAMES, pool.map(read_bench, NAMES), strict=True))
        drawn = pool.map(_gather, [(bench, settings) for bench in benches.values()])
        gathered = dict(zip(NAMES, drawn, strict=True))
    figures = {}
    for name, bench in benches.items():
        fitted = fit_default([other for other in NAMES if other != name], SEED, settings, gathered)
        figures[name] = {form: _clean(_judge(bench, fitted, form)) for form in FORMS}
        print(f"left out {name}: {figures[name]}", flush=True)
    predictor = fit_default(NAMES, SEED, settings, gathered)
    data = predictor.encode()
    print(f"{len(data)} bytes, {time.monotonic() - start:.0f} s")
    if len(data) > _LARGEST_BYTES:
        print(f"the predictor is larger than {_LARGEST_BYTES} bytes")
        return 1
    if not quick:
        _write(data, predictor, figures, settings)
    return 0


def _write(
    data: bytes, predictor: Predictor, figures: dict[str, dict[str, dict[str, float | None]]], settings: FitSettings
) -> None:
    Path(str(FILE)).write_bytes(data)
    document = {
        "made by": "python -m benchmarks.train_predictor",
        "each workload judged by a predictor of the other four": figures,
        "cross-evaluations": {name: form.pairs for name, form in predictor.forms.items()},
        "settings": asdict(settings),
        "seed": SEED,
    }
    Path(str(FIGURES)).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _gather(key: tuple[Bench, FitSettings]) -> dict[Form, Examples]:
    bench, settings = key
    return gather(bench.workload, SEED, settings)


def _judge(bench: Bench, predictor: Predictor, form: Form) -> Judged:
    judged = []
    for target in bench.targets:
        found = predict(
            predictor,
            candidates_of(bench, target, run=form == "outputs"),
            TargetEvidence(target.ticks),
            bench.workload.metric,
            explain=False,
        )
        truth = np.array([target.truth[one.name] for one in found])
        values = np.array([np.nan if one.accuracy is None else one.accuracy for one in found])
        inside = np.array(
            [
                one.low is not None and one.high is not None and one.low <= true <= one.high
                for one, true in zip(found, truth, strict=True)
            ],
            float,
        )
        judged.append(judge(values, truth, estimates=True, inside=inside))
    return mean_judged(judged)


def _clean(judged: Judged) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else round(value, 4) for name, value in asdict(judged).items()}


if __name__ == "__main__":
    sys.exit(main())
