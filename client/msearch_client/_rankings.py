"""What a search returns: a ranking of candidates with the scores it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msearch_client._catalogue import Filter, Model
from msearch_client._constraints import ProfileOptions
from msearch_client._evaluations import AccuracyPrediction
from msearch_client._profiles import Profile
from msearch_client._records import Record, to_frame, to_json
from msearch_sketch.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
WIDEST_NAME = 40


@dataclass(frozen=True, slots=True)
class WeightedScore(Record):
    """A score with its weight, which is above 0."""

    score: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How to rank: which models may take part, the order, further scores to show, what profiles must meet.

    `predict_accuracy` asks for predictions; with a `sample_id` they use the outputs that candidates gave on it.
    """

    filter: Filter
    order_by: tuple[WeightedScore, ...]
    scores: tuple[str, ...]
    explain: bool
    profiles: ProfileOptions | None = None
    predict_accuracy: bool = False
    sample_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreValue(Record):
    """The value of one score for one candidate.

    `value` is None where it cannot be computed for this pair; `detail` then says why. `support` is what the value
    rests on, in the score's own unit (`Score.support_unit`).
    """

    score: str
    value: float | None
    support: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Candidate(Record):
    """One ranked model. `rank` counts from 1; `ranking_value` is what the order rests on.

    `profile` is that of its best variant, without histogram and runs; None where no profile was asked for or none
    counts. `prediction` is None where none was asked for.
    """

    rank: int
    model: Model
    dataset_name: str
    scores: tuple[ScoreValue, ...]
    ranking_value: float
    profile: Profile | None = None
    prediction: AccuracyPrediction | None = None

    def score(self, name: str) -> float | None:
        """The value of a score, or None where it cannot be computed.

        Raises:
            KeyError: the ranking was not asked for this score.
        """
        for value in self.scores:
            if value.score == name:
                return value.value
        raise KeyError(f"the ranking holds no score {name!r}, only {', '.join(value.score for value in self.scores)}")

    def to_row(self) -> dict[str, Any]:
        """The candidate as one flat row: rank, model, what was predicted, and one column a score."""
        model = self.model
        row: dict[str, Any] = {
            "rank": self.rank,
            "model": model.name,
            "version": model.version,
            "model_id": model.id,
            "task": model.task,
            "modality": model.modality.value,
            "dataset": self.dataset_name,
            "format": model.artifact.format,
            "licence": model.licence,
            "ranking_value": self.ranking_value,
        }
        if self.prediction is not None:
            found = self.prediction
            row |= {"predicted_accuracy": found.accuracy, "predicted_low": found.low, "predicted_high": found.high}
        row |= {value.score: value.value for value in self.scores}
        if self.profile is not None:
            row |= {"profile_id": self.profile.id, "variant": str(self.profile.variant)}
            row |= {item.name: item.value for item in self.profile.measurements}
        return row

    def __repr__(self) -> str:
        return f"Candidate({self.rank}. {self.model.name}@{self.model.version}, {self.ranking_value:.4f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedModel(Record):
    """A candidate that could not be run on the target, or whose outputs foretell nothing.

    `model` is "name@version"; `code` is machine-readable, such as "no_artifact", "crashed" or "wrong_output".
    """

    model: str
    model_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion(Record):
    """A reason why models are not in a ranking: how many this criterion alone leaves out."""

    criterion: str
    count: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ranking(Record):
    """Candidates in order, best first.

    `total` is how many were ranked in all; `notices` are things to know before trusting it; `exclusions` say why
    models are missing (only with `explain`). `unmeasured` are candidates without a profile that could tell whether the
    limits hold, best first by the score, and `unmeasured_total` how many there are. `failed` are candidates that
    `rerank` could not run. `signature` is the target's.
    """

    candidates: tuple[Candidate, ...]
    total: int
    order_by: tuple[WeightedScore, ...]
    space_digest: str
    target_row_count: int
    notices: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    next_page_token: str = ""
    unmeasured: tuple[Candidate, ...] = ()
    unmeasured_total: int = 0
    failed: tuple[FailedModel, ...] = ()
    signature: Signature | None = field(default=None, compare=False)

    @property
    def best(self) -> Candidate | None:
        """The first candidate of this ranking, or None if it is empty."""
        return self.candidates[0] if self.candidates else None

    @property
    def score_names(self) -> tuple[str, ...]:
        """The scores that the candidates carry, those of `order_by` first."""
        return tuple(dict.fromkeys(value.score for candidate in self.candidates for value in candidate.scores))

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __getitem__(self, index: int) -> Candidate:
        return self.candidates[index]

    def to_dict(self) -> dict[str, Any]:
        """The whole ranking as JSON values; the signature, which is bytes, is left out."""
        names = (
            "target_row_count", "space_digest", "total", "order_by",
            "candidates", "notices", "exclusions", "next_page_token", "unmeasured", "unmeasured_total", "failed",
        )  # fmt: skip
        return {name: to_json(getattr(self, name)) for name in names}

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat row a candidate."""
        return [candidate.to_row() for candidate in self.candidates]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame, one row a candidate and one column a score.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame(self.to_dicts())

    def __repr__(self) -> str:
        order = " + ".join(
            item.score if item.weight == 1 else f"{item.weight:g} x {item.score}" for item in self.order_by
        )
        lines = [f"Ranking of {self.total:,} for {self.target_row_count:,} rows by {order or 'the default score'}"]
        if self.candidates:
            names = self.score_names
            foretold = any(item.prediction is not None for item in self.candidates)
            rows = [["", "model", "dataset", *(["predicted"] if foretold else []), *names]]
            for item in self.candidates[:SHOWN]:
                values = {value.score: value.value for value in item.scores}
                numbers = ["-" if (value := values.get(name)) is None else f"{value:.4f}" for name in names]
                if foretold:
                    numbers.insert(0, _describe_prediction(item.prediction))
                model = f"{item.model.name}@{item.model.version}"
                rows.append([str(item.rank), _shorten(model), _shorten(item.dataset_name), *numbers])
            widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
            lines += ["  ".join(_align(row, widths)).rstrip() for row in rows]
        if len(self.candidates) > SHOWN:
            lines.append(f"... {len(self.candidates) - SHOWN:,} more")
        if self.unmeasured_total:
            lines.append(f"{self.unmeasured_total:,} more not measured yet, see .unmeasured")
        if self.failed:
            lines.append(f"{len(self.failed):,} more could not be run, see .failed")
        return "\n".join(lines + [f"note: {notice}" for notice in self.notices])


def _describe_prediction(found: AccuracyPrediction | None) -> str:
    """As in "0.858 (0.76 - 0.95)"."""
    if found is None or found.accuracy is None:
        return "-"
    return f"{found.accuracy:.3f} ({found.low:.2f} - {found.high:.2f})"


def _shorten(text: str) -> str:
    return text if len(text) <= WIDEST_NAME else f"{text[: WIDEST_NAME - 3]}..."


def _align(row: list[str], widths: list[int]) -> list[str]:
    """Numbers to the right, names to the left."""
    return [
        cell.ljust(width) if column in (1, 2) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Record):
    """What a score is. `lowest` and `highest` are None where the values have no bound."""

    name: str
    summary: str
    formula: str
    source: str
    lowest: float | None
    highest: float | None
    higher_is_better: bool
    support_unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores(Record):
    """The scores a service knows, by name, and what it orders by where a search does not say."""

    scores: tuple[Score, ...]
    default_order_by: tuple[WeightedScore, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __getitem__(self, name: str) -> Score:
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(f"no score {name!r}, only {', '.join(score.name for score in self.scores)}")

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dictionary a score."""
        return [score.to_dict() for score in self.scores]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame, one row a score.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame(self.to_dicts())
