"""Everything that orders candidates without being learned here: scores, peers, oracles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from benchmarks.peers.rkme_mmd import RkmeMmd
from benchmarks.quality.zoo_workloads import Bench, Target
from msearch_accuracy.behaviour import Behaviour, find_behaviour_scores
from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence
from msearch_accuracy.problem import pose
from msearch_sketch.hashing import bucket_keys
from search_service.domain.ranking import Source
from search_service.scores import find_scores

Values = NDArray[np.float64]
ORACLES = (25, 50, 100, 200)
_ORACLE_DRAWS = 20
_RESOLUTION = 1
_PERMUTATIONS = 128
_NOT_RUN = ("worst_noise", "labelled_accuracy", "logme")
"""Scores that need noisy runs of the models, or labels; the oracles show what labels give."""


@dataclass(slots=True)
class Ranking:
    """Values of the candidates by way of ranking; `estimates`: whether they are on the scale of the metric."""

    values: Values
    estimates: bool
    seconds: float


def candidates_of(bench: Bench, target: Target, *, run: bool) -> list[CandidateEvidence]:
    """The candidates of a target, with or without their outputs."""
    return [
        model.as_candidate(target.outputs[model.name] if run else None)
        for model in bench.workload.models
        if model.name in target.outputs
    ]


class Rankings:
    """Ranks the candidates of each target of a workload."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rkme = {source: _rkme(ticks) for source, ticks in bench.source_ticks.items()}
        self._hashes = {source: _minhash(ticks, bench) for source, ticks in bench.source_ticks.items()}

    def rank(self, target: Target, seed: int) -> dict[str, Ranking]:
        """All rankings by name. Behaviour scores are named by their score, signature scores by theirs."""
        names = list(target.outputs)
        found: dict[str, Ranking] = {}

        def add(name: str, action: Callable[[], Values], *, estimates: bool = False) -> None:
            start = time.perf_counter()
            values = action()
            found[name] = Ranking(np.asarray(values, np.float64), estimates, time.perf_counter() - start)

        random = np.random.default_rng([seed, len(target.ticks)])
        add("random", lambda: random.random(len(names)))
        sources = [self._bench.sources[name] for name in names]
        claimed = {model.name: model.accuracy for model in self._bench.workload.models}
        asked = [Source(self._bench.signatures[s], claimed[n]) for n, s in zip(names, sources, strict=True)]
        for name, score in find_scores().items():
            sign = 1 if score.info.higher_is_better else -1
            add(
                name,
                lambda score=score, sign=sign: (  # type: ignore[misc]
                    sign * score.compute(target.signature, asked, self._bench.space).values
                ),
                estimates=name == "source_accuracy",
            )
        add("peer: RKME-MMD", lambda: np.array([self._rkme[s].scores(target.ticks)[0] for s in sources]))
        add("peer: datasketch containment", lambda: self._containment(target, sources))
        self._behaviour(target, names, add)
        return found

    def _containment(self, target: Target, sources: list[str]) -> Values:
        own, size = _minhash(target.ticks, self._bench)
        values = []
        for source in sources:
            theirs, other = self._hashes[source]
            jaccard = own.jaccard(theirs)
            values.append(jaccard * (size + other) / ((1 + jaccard) * size))
        return np.array(values)

    def _behaviour(self, target: Target, names: list[str], add: Callable[..., None]) -> None:
        posed = pose(candidates_of(self._bench, target, run=True), TargetEvidence(target.ticks), run=True)
        behaviours = [
            Behaviour(
                probabilities=target.outputs[name],
                validation=self._bench.validations[name],
                prior=self._bench.priors[name],
                votes=posed.votes,
                place=place,
                union=len(posed.classes),
            )
            for place, name in enumerate(names)
        ]
        for name, score in find_behaviour_scores().items():
            if name not in _NOT_RUN:
                add(
                    name,
                    lambda score=score: np.array([score.compute(b).value for b in behaviours]),
                    estimates=score.info.estimates_accuracy,
                )


def oracle_draws(target: Target, seed: int) -> dict[str, list[Values]]:
    """What counting hits on labelled rows would say, and the same rows' worth of sampling noise (the ceiling).

    Each candidate's count is drawn apart, as if the labelled rows differed by candidate: the zoo keeps what models
    reach, not the targets' labels. On the same rows candidates err together, so real labels order somewhat better.
    """
    random = np.random.default_rng([seed, 1])
    truth = np.array(list(target.truth.values()))
    drawn = {f"oracle: {n} labels": n for n in ORACLES} | {"ceiling: all rows drawn again": len(target.ticks)}
    return {
        name: [random.binomial(count, np.clip(truth, 0, 1)) / count for _ in range(_ORACLE_DRAWS)]
        for name, count in drawn.items()
    }


def _rkme(ticks: NDArray[np.int16]) -> RkmeMmd:
    peer = RkmeMmd()
    peer.add(ticks[None])
    peer.finish()
    return peer


def _minhash(ticks: NDArray[np.int16], bench: Bench) -> tuple[MinHash, int]:
    keys = bucket_keys(ticks, bench.space.hashing)[:, _RESOLUTION]
    salted = np.unique(keys ^ (np.arange(keys.shape[1], dtype=np.uint32) * np.uint32(0x9E3779B1)))
    minhash = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
    minhash.update_batch(salted.tolist())
    return minhash, len(salted)
