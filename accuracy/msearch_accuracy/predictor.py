"""The accuracy predictor: will this candidate be right on this row, averaged over the target's rows."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence
from msearch_accuracy.forest import Forest
from msearch_accuracy.metrics import Metric
from msearch_accuracy.plausibility import find_implausible
from msearch_accuracy.problem import Problem, pose
from msearch_accuracy.row_features import FEATURES, GROUPS, row_features
from msearch_accuracy.witnesses import hear

FORMAT_VERSION = 1
LARGEST_FILE_BYTES = 32 << 20

Form = Literal["outputs", "signatures"]
FORMS: tuple[Form, ...] = ("outputs", "signatures")

_LEAST_PAIRS = 20
"""Cross-evaluations below which a predictor is not to be trusted."""
_FEW_ROWS = 30
_EXPLAINED_ROWS = 20
_EXPLAINED = 40
"""Contributions are worked out for the best only."""
_ROWS_POSED, _MOST_ROWS, _FEWEST_ROWS = 48_000, 1_000, 40
_ROWS_JUDGED, _FEWEST_JUDGED = 3_000, 6


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a candidate is expected to reach on the target.

    `accuracy`, `low`, `high`: the metric and its 90 % interval, None where the candidate was refused. `form` says
    whether its outputs or only its source spoke. `evidence_count`: cross-evaluations behind the predictor.
    `contributions`: change of `accuracy` that each group of features makes against typical values.
    """

    name: str
    accuracy: float | None
    low: float | None
    high: float | None
    form: Form
    evidence_count: int
    contributions: dict[str, float]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FormPredictor:
    """One form: forests with their weights, the features' typical values, and interval widths by metric kind.

    `widths` are conformal: the 90 % quantile of |error| / sqrt(p (1 - p) + 0.01) on evidence that was left out.
    """

    forests: tuple[tuple[Forest, float], ...]
    typical: NDArray[np.float32]
    widths: Mapping[str, float]
    pairs: int

    def chances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(right) [...] of feature rows [..., F]."""
        flat = features.reshape(-1, features.shape[-1])
        total = sum(weight for _, weight in self.forests)
        mixed = sum(forest.predict(flat) * np.float32(weight / total) for forest, weight in self.forests)
        return np.asarray(mixed, np.float32).reshape(features.shape[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Both forms; `workloads` names what it was fitted on."""

    forms: Mapping[Form, FormPredictor]
    workloads: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether there was enough evidence; below it, rank by adaptivity and say so."""
        return all(form.pairs >= _LEAST_PAIRS for form in self.forms.values())

    def encode(self) -> bytes:
        """A compressed .npz with JSON metadata; no object arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        meta: dict[str, Any] = {"format": FORMAT_VERSION, "features": list(FEATURES), "workloads": self.workloads}
        meta["forms"] = {}
        for name, form in self.forms.items():
            arrays[f"{name}.typical"] = form.typical
            for place, (forest, _) in enumerate(form.forests):
                arrays |= forest.arrays(f"{name}.{place}.")
            meta["forms"][name] = {
                "weights": [weight for _, weight in form.forests],
                "widths": dict(form.widths),
                "pairs": form.pairs,
            }
        arrays["meta"] = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Predictor:
        """Reads what `encode` gave; nothing is unpickled.

        Raises:
            AccuracyError: the bytes are no predictor, or one of another version.
        """
        if len(data) > LARGEST_FILE_BYTES:
            raise AccuracyError(f"the predictor takes {len(data)} bytes, at most {LARGEST_FILE_BYTES} are allowed")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 4 * LARGEST_FILE_BYTES:
                    raise AccuracyError("the predictor is too large when unpacked")
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays["meta"].tobytes())
            if meta["format"] != FORMAT_VERSION:
                raise AccuracyError(f"predictor format {meta['format']} is unknown, this is {FORMAT_VERSION}; refit it")
            if meta["features"] != list(FEATURES):
                raise AccuracyError("the predictor was fitted on other features than this version computes; refit it")
            forms: dict[Form, FormPredictor] = {}
            for name in FORMS:
                told = meta["forms"][name]
                typical = np.asarray(arrays[f"{name}.typical"], np.float32)
                if typical.shape != (len(FEATURES),):
                    raise AccuracyError("the predictor's typical values are corrupt")
                forests = tuple(
                    (Forest.of_arrays(arrays, f"{name}.{place}.", len(FEATURES)), float(weight))
                    for place, weight in enumerate(told["weights"])
                )
                if not forests or min(weight for _, weight in forests) <= 0:
                    raise AccuracyError("the predictor has no forest")
                widths = {kind: float(width) for kind, width in told["widths"].items()}
                forms[name] = FormPredictor(forests, typical, widths, int(told["pairs"]))
            return cls(forms, tuple(meta["workloads"]))
        except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise AccuracyError(f"these bytes are no predictor: {error}") from None


def blend(default: Predictor, own: Predictor) -> Predictor:
    """Mixes a predictor fitted on a registry's own evidence with the default, which loses weight as evidence grows.

    The own one weighs n / (n + 30), n its cross-evaluations; intervals are the wider while n is small.
    """
    forms: dict[Form, FormPredictor] = {}
    for name in FORMS:
        first, second = default.forms[name], own.forms[name]
        share = second.pairs / (second.pairs + 30)
        forests = [(f, w / sum(v for _, v in first.forests) * (1 - share)) for f, w in first.forests]
        forests += [(f, w / sum(v for _, v in second.forests) * share) for f, w in second.forests]
        widths = {
            kind: (1 - share) * first.widths.get(kind, 1.0)
            + share * second.widths.get(kind, first.widths.get(kind, 1.0))
            for kind in {*first.widths, *second.widths}
        }
        typical = ((1 - share) * first.typical + share * second.typical).astype(np.float32)
        forms[name] = FormPredictor(
            tuple((f, w) for f, w in forests if w > 1e-6), typical, widths, first.pairs + second.pairs
        )
    return Predictor(forms, (*default.workloads, *own.workloads))


def predict(
    predictor: Predictor,
    candidates: Sequence[CandidateEvidence],
    target: TargetEvidence,
    metric: Metric | None = None,
    *,
    explain: bool = True,
) -> list[Prediction]:
    """Predicted metric of every candidate, in their order; bad candidates are refused one by one.

    Those with outputs are judged by them, the others by their source alone.
    """
    metric = metric or Metric()
    found: dict[str, Prediction] = {}
    split: dict[Form, list[CandidateEvidence]] = {
        "outputs": [c for c in candidates if c.probabilities is not None],
        "signatures": [c for c in candidates if c.probabilities is None],
    }
    for form, members in split.items():
        if not members:
            continue
        thinned, rows = _thin(members, target)
        try:
            problem = pose(thinned, rows, run=form == "outputs")
        except AccuracyError as error:
            reasons = dict.fromkeys([c.name for c in members], str(error))
            found |= {name: _refusal(name, reason, form) for name, reason in reasons.items()}
            continue
        found |= {name: _refusal(name, reason, form) for name, reason in problem.refused.items()}
        for prediction in judge(predictor.forms[form], problem, metric, form, explain=explain):
            found[prediction.name] = prediction
    few = (
        f"the target has only {len(target.ticks)} rows, so chance decides much" if len(target.ticks) < _FEW_ROWS else ""
    )
    weak = "" if predictor.trusted else f"fewer than {_LEAST_PAIRS} cross-evaluations: rather rank by adaptivity"
    more = tuple(notice for notice in (few, weak) if notice)
    return [replace(found[c.name], notices=(*found[c.name].notices, *more)) for c in candidates]


def judge(
    form_predictor: FormPredictor, problem: Problem, metric: Metric, form: Form, *, explain: bool
) -> list[Prediction]:
    """Predictions for a problem that is already posed."""
    implausible = find_implausible(problem)
    features = row_features(problem, hear(problem, frozenset(implausible)))
    candidates, count, _ = features.shape
    kept = _spread(count, max(_FEWEST_JUDGED, _ROWS_JUDGED // candidates))
    chances = form_predictor.chances(features[:, kept])
    values = _expect(metric, problem, chances, kept)
    best = np.argsort(-values, kind="stable")[:_EXPLAINED] if explain else np.zeros(0, np.int64)
    contributions = _contributions(form_predictor, features, problem, metric, best)
    width = form_predictor.widths.get(metric.kind, max(form_predictor.widths.values(), default=1.0))
    predictions = []
    for at, name in enumerate(problem.names):
        value = float(values[at])
        half = width * interval_scale(value)
        notices = list(problem.notices[name])
        source = problem.sources[at]
        if source is not None and source.name in implausible:
            notices.append(implausible[source.name])
        predictions.append(
            Prediction(
                name=name,
                accuracy=value,
                low=max(0.0, value - half),
                high=min(1.0, value + half),
                form=form,
                evidence_count=form_predictor.pairs,
                contributions=contributions.get(at, {}),
                notices=tuple(notices),
            )
        )
    return predictions


def interval_scale(value: float) -> float:
    """By what errors are divided before their quantile is taken: the deviation of one row, kept above 0.1."""
    return float(np.sqrt(value * (1 - value) + 0.01))


def _refusal(name: str, reason: str, form: Form) -> Prediction:
    return Prediction(name, None, None, None, form, 0, {}, (reason,))


def _thin(
    candidates: Sequence[CandidateEvidence], target: TargetEvidence
) -> tuple[list[CandidateEvidence], TargetEvidence]:
    """Fewer rows where there are many candidates, spread evenly, so that the cost stays bounded."""
    most = int(np.clip(_ROWS_POSED // len(candidates), _FEWEST_ROWS, _MOST_ROWS))
    count = len(target.ticks)
    if count <= most:
        return list(candidates), target
    kept = _spread(count, most)
    weights = None if target.weights is None else target.weights[kept]
    fewer = [
        c
        if c.probabilities is None or np.shape(c.probabilities)[:1] != (count,)
        else replace(c, probabilities=np.asarray(c.probabilities)[kept])
        for c in candidates
    ]
    return fewer, TargetEvidence(target.ticks[kept], weights)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions of `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _expect(
    metric: Metric,
    problem: Problem,
    chances: NDArray[np.float32],
    kept: NDArray[np.int64],
    chosen: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """The metric of the chosen candidates (all of them by default) from their chances on the kept rows."""
    weights = problem.weights[kept]
    asked = np.arange(len(problem.names)) if chosen is None else chosen
    return np.array(
        [
            metric.expect(chance, problem.votes[at, kept], problem.classes, weights)
            for at, chance in zip(asked, chances, strict=True)
        ]
    )


def _contributions(
    form_predictor: FormPredictor,
    features: NDArray[np.float32],
    problem: Problem,
    metric: Metric,
    chosen: NDArray[np.int64],
) -> dict[int, dict[str, float]]:
    """What the prediction loses, by group, when the group's features are set to their typical values."""
    if not len(chosen):
        return {}
    kept = _spread(features.shape[1], max(2, min(_EXPLAINED_ROWS, 400 // len(chosen))))
    shown = features[np.ix_(chosen, kept)]
    variants = np.repeat(shown[None], len(GROUPS) + 1, axis=0)
    for place, columns in enumerate(GROUPS.values()):
        variants[place][:, :, list(columns)] = form_predictor.typical[list(columns)]
    chances = form_predictor.chances(variants)
    values = np.stack([_expect(metric, problem, chance, kept, chosen) for chance in chances])
    changes = values[-1] - values[:-1]
    return {
        int(at): {group: round(float(changes[place, column]), 4) for place, group in enumerate(GROUPS)}
        for column, at in enumerate(chosen)
    }
