"""How predicted accuracies are shown to people."""

from __future__ import annotations

from collections.abc import Sequence

from msearch_client import AccuracyPrediction, Candidate, FailedModel, Ranking
from msearch_client.cli.output import print_fields, print_line

FORMS = {"outputs": "was run", "signatures": "source alone"}
"""What a prediction rests on, in the words of the table."""

PREDICTED = "predicted_accuracy"


def prediction_cells(candidate: Candidate) -> dict[str, str]:
    """The columns of a prediction: what is expected, between what, resting on what."""
    found = candidate.prediction
    if found is None or found.accuracy is None:
        return {"accuracy": "-", "90 % interval": "", "rests on": ""}
    return {
        "accuracy": f"{found.accuracy:.3f}",
        "90 % interval": describe_interval(found),
        "rests on": FORMS.get(found.form, found.form),
    }


def describe_interval(prediction: AccuracyPrediction) -> str:
    """As in "0.81 - 0.97"."""
    if prediction.low is None or prediction.high is None:
        return ""
    return f"{prediction.low:.2f} - {prediction.high:.2f}"


def print_predictor(ranking: Ranking) -> None:
    """What is behind the predictions of a ranking."""
    found = next((item.prediction for item in ranking if item.prediction is not None), None)
    if found is not None and found.evidence_count:
        print_line(f"predictor {found.predictor_version}, fitted on {found.evidence_count:,} cross-evaluations")


def print_prediction_notices(ranking: Ranking) -> None:
    """What to know of predictions; one that holds for all is said once."""
    told = {item.model.id: item.prediction.notices for item in ranking if item.prediction is not None}
    shared = set.intersection(*(set(notices) for notices in told.values())) if len(told) > 1 else set()
    for notice in sorted(shared):
        print_line(f"note: {notice}")
    for candidate in ranking:
        for notice in told.get(candidate.model.id, ()):
            if notice not in shared:
                print_line(f"note: {candidate.model.name}@{candidate.model.version}: {notice}")


def print_contributions(candidate: Candidate) -> None:
    """What spoke for and against a candidate."""
    if candidate.prediction is None or not candidate.prediction.contributions:
        return
    print_fields({f"  {item.evidence}": f"{item.change:+.3f}" for item in candidate.prediction.contributions})


def print_failed(failed: Sequence[FailedModel]) -> None:
    """The candidates that could not be run, with the reason of each."""
    if not failed:
        return
    print_line()
    print_line("not ranked, for they could not be run or judged:")
    for item in failed:
        print_line(f"  {item.model}: {item.code}: {item.message}")
