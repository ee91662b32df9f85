"""Features of (candidate, row), free of scale, from which the chance that the candidate is right is learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.problem import Problem
from msearch_accuracy.records import Repute
from msearch_accuracy.witnesses import WITNESSES, Testimony, fill_distances

_TINY = 1e-9
_REACHES = (0.5, 1.0, 2.0)
_FARTHEST = 4.0
_NOTHING = np.zeros((1, 1))
"""What stands in a column without records: no tree that was grown without them asks for it."""

_OWN = ("largest", "margin", "entropy")
_NEAR = (
    "to_own",
    "to_any",
    "own_over_any",
    "own_over_target",
    "log_own_over_target",
    "nearness_rank",
    "within_half",
    "within_one",
    "within_two",
)
_AGREE = ("own_share", "same_vote", "to_vote", "class_cover")
_WITNESS = tuple(f"{w}{part}" for w in WITNESSES for part in ("", "_outside", "_largest", "_ratio", "_lead"))
_RECORD = ("record_expected", "record_near", "record_precision", "record_expected_lead", "record_near_lead")
_ROW = (*_OWN, *_NEAR, *_AGREE, *_WITNESS, *_RECORD)
_SHARES = ("vote_share", "prior_of_vote")
_WHOLE = (
    "accuracy",
    "known_share",
    "one_over_known",
    "nuclear_norm",
    "prior_outside",
    "prior_distance",
    "vote_entropy",
    "record_overall",
    "source_prior_distance",
    "mutual_information",
)
_RANKS = tuple(
    f"rank_{name}"
    for name in (*WITNESSES, "same_vote", "own_share", "log_own_over_target", "class_cover", *_RECORD[:3])
)
_MEANS = tuple(f"mean_{name}" for name in _ROW)

FEATURES: tuple[str, ...] = (*_ROW, *_SHARES, *_MEANS, *_WHOLE, *_RANKS)
"""Names of the columns."""

WHOLE: tuple[str, ...] = (*_MEANS, *_WHOLE, *_RANKS)
"""Those that are the same on every row of a target."""


RECORDS = "cross-evaluations"
"""Name of the group of features that come from records."""


def _group(name: str) -> str:
    bare = name.removeprefix("mean_").removeprefix("rank_")
    if bare.startswith(("record", "stacked")):
        return RECORDS
    if bare.endswith("_outside") or bare in ("known_share", "one_over_known", "prior_distance", *_SHARES):
        return "classes"
    if bare in (*_OWN, "nuclear_norm", "vote_entropy", "mutual_information"):
        return "own outputs"
    if bare in (*_NEAR, "class_cover", "source_prior_distance"):
        return "closeness of the source"
    if bare == "accuracy":
        return "validation accuracy"
    if bare.startswith("pooled") or bare in ("own_share", "to_vote"):
        return "labelled sources"
    return "other candidates"


GROUPS: dict[str, tuple[int, ...]] = {}
"""Columns by what they speak of; contributions are given by group."""
for _column, _name in enumerate(FEATURES):
    GROUPS[_group(_name)] = (*GROUPS.get(_group(_name), ()), _column)


def row_features(problem: Problem, testimony: Testimony) -> NDArray[np.float32]:
    """Features of all candidates on all rows. [C, n, len(FEATURES)]"""
    values, votes, known = problem.probabilities, problem.votes, problem.known
    candidates, count, classes = values.shape
    rows = np.arange(count)[None]
    known_count = known.sum(axis=1)
    scale = np.log(np.maximum(known_count, 2))[:, None]
    if classes > 1:
        top = np.partition(values, classes - 2, axis=2)[:, :, -2:]
        largest, second = top[:, :, 1], top[:, :, 0]
    else:
        largest, second = values[:, :, 0], np.zeros((candidates, count), np.float32)
    distances = fill_distances(problem.distances)
    spacings = np.where(np.isnan(problem.spacings), np.nanmedian([*problem.spacings, 1.0]), problem.spacings)[:, None]
    nearest_any = testimony.nearest_any[None].astype(np.float64)
    typical = float(np.median(nearest_any)) + 1e-6
    agreement = np.zeros((count, classes), np.float32)
    for vote in votes:
        agreement[rows[0], vote] += 1
    columns = [
        largest,
        largest - second,
        -(values * np.log(values + _TINY)).sum(axis=2) / scale,
        distances / spacings,
        nearest_any / spacings,
        distances / np.maximum(nearest_any, 1e-6),
        distances / typical,
        np.log1p(distances / typical),
        distances.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") / max(1, candidates - 1),
        *(distances <= reach * spacings for reach in _REACHES),
        problem.own_share,
        agreement[rows, votes] / candidates,
        _to_vote(problem, distances),
        _class_cover(problem, spacings, testimony.posteriors["combined"]),
    ]
    unknown = (~known).T.astype(np.float64)
    for name in WITNESSES:
        posterior = testimony.posteriors.get(name)
        if posterior is None:
            columns += [_NOTHING] * 5
            continue
        of_vote = posterior[rows, votes]
        highest = np.broadcast_to(posterior.max(axis=1)[None], of_vote.shape)
        columns += [of_vote, (posterior @ unknown).T, highest, of_vote / (highest + _TINY)]
        columns.append(of_vote - of_vote.mean(axis=0))
    repute = testimony.repute
    if repute is None:
        columns += [_NOTHING] * len(_RECORD)
    else:
        told = [_fill(repute.expected, repute), _fill(repute.near, repute), _fill(repute.precision, repute)]
        columns += [*told, told[0] - told[0].mean(axis=0), told[1] - told[1].mean(axis=0)]
    features = np.empty((candidates, count, len(FEATURES)), np.float32)
    for place, column in enumerate(columns):
        features[:, :, place] = column
    width = len(_ROW)
    shares = np.stack([np.bincount(vote, problem.weights, classes) for vote in votes]) / count
    features[:, :, width] = shares[np.arange(candidates)[:, None], votes]
    features[:, :, width + 1] = testimony.prior[votes]
    share = (problem.weights / problem.weights.sum()).astype(np.float32)
    means = np.einsum("cnf,n->cf", features[:, :, :width], share)
    features[:, :, width + 2 : 2 * width + 2] = means[:, None]
    whole = np.stack(
        [
            problem.accuracies,
            known_count / classes,
            1 / known_count,
            _nuclear_norms(values, problem.weights, known_count),
            known_share_outside(testimony.prior, known),
            np.abs(shares - testimony.prior).sum(axis=1) / 2,
            -(shares * np.log(shares + _TINY)).sum(axis=1) / scale[:, 0],
            np.zeros(candidates) if repute is None else repute.overall,
            np.abs(problem.source_priors - testimony.prior).sum(axis=1) / 2,
            _mutual_information(values, problem.weights, scale[:, 0]),
        ],
        axis=1,
    )
    start = 2 * width + 2
    features[:, :, start : start + len(_WHOLE)] = whole[:, None].astype(np.float32)
    ranked = means[:, [_ROW.index(name.removeprefix("rank_")) for name in _RANKS]]
    # Rounded, so that the order in which rows were summed breaks no tie.
    features[:, :, start + len(_WHOLE) :] = _ranks(ranked.round(5))[:, None]
    return features


def _to_vote(problem: Problem, distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much farther than the source's nearest centroid its nearest one of the voted class is, at most 4 times."""
    told = np.take_along_axis(problem.class_distances, problem.votes[:, :, None], axis=2)[:, :, 0]
    return np.minimum(told / np.maximum(distances, 1e-6), _FARTHEST)


def _class_cover(
    problem: Problem, spacings: NDArray[np.float32], posterior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How near the row lies to the source's centroids of the class it is of: 1 on one, 1/2 at the source's spacing."""
    near = 1 / (1 + (problem.class_distances / spacings[:, :, None]) ** 2)
    cover: NDArray[np.float64] = np.einsum("cnk,nk->cn", near, posterior)
    return cover


def _mutual_information(
    values: NDArray[np.float32], weights: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Entropy of the mean output less the mean entropy, over that of all known classes. [C]"""
    share = (weights / weights.sum()).astype(np.float32)
    mean = np.einsum("cnk,n->ck", values, share)
    entropies = np.einsum("cnk,n->c", values * np.log(values + _TINY), share)
    found: NDArray[np.float64] = (entropies - (mean * np.log(mean + _TINY)).sum(axis=1)) / scale
    return found


def _fill(values: NDArray[np.float64], repute: Repute) -> NDArray[np.float64]:
    """Candidates without a record take the mean of those with one. [C, n]"""
    return np.where(repute.known[:, None], values, values[repute.known].mean(axis=0))


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of the other candidates that each surpasses, ties by half. [C, f] -> [C, f]"""
    candidates = len(values)
    below = np.stack([np.searchsorted(np.sort(column), column, "left") for column in values.T], axis=1)
    upto = np.stack([np.searchsorted(np.sort(column), column, "right") for column in values.T], axis=1)
    shares: NDArray[np.float32] = ((below + upto - 1) / 2 / max(1, candidates - 1)).astype(np.float32)
    return shares


def known_share_outside(prior: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mass of the target's class prior on classes that each candidate does not know. [C]"""
    outside: NDArray[np.float64] = (~known).astype(np.float64) @ prior
    return outside


def _nuclear_norms(
    values: NDArray[np.float32], weights: NDArray[np.float64], known_count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Nuclear norm of each candidate's outputs over sqrt(n min(n, K)), from the K x K Gram matrix. [C]"""
    count = values.shape[1]
    weighted = values * np.sqrt(weights)[None, :, None].astype(np.float32)
    gram = np.matmul(weighted.transpose(0, 2, 1), weighted).astype(np.float64)
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    norms: NDArray[np.float64] = singular.sum(axis=1) / np.sqrt(count * np.minimum(count, known_count))
    return norms
