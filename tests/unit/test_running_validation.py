"""Validation statistics of outputs, against values counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_running import Outputs, validate
from msearch_running.errors import WrongRows

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [np.nan, np.nan], [0.6, 0.4]], np.float32)
OUTPUTS = Outputs(("cat", "dog"), PROBABILITIES, "row 3: too large")


def test_counts_rows_that_were_taken_and_labelled() -> None:
    found = validate(OUTPUTS, ["cat", "dog", "dog", "cat", None])
    assert found.statistics.count == 3
    assert found.statistics.accuracy == pytest.approx(2 / 3)
    assert found.class_prior == pytest.approx((1 / 3, 2 / 3))
    assert found.notices == (
        "rows without a label, which do not count: 1",
        "rows that could not be read, which do not count: 1 (row 3: too large)",
    )
    assert sum(found.statistics.confidence_counts) == 3
    assert sum(found.statistics.confidence_correct) == 2


def test_a_class_that_the_model_does_not_know_counts_as_wrong() -> None:
    found = validate(OUTPUTS, ["cat", "dog", "bird", "cat", "cat"])
    assert (found.statistics.accuracy, found.statistics.count) == (0.75, 4)
    assert found.class_prior == pytest.approx((2 / 3, 1 / 3))
    assert found.notices[0] == "rows of a class that the model does not know, which count as wrong: 1"


def test_whole_numbers_are_positions_where_no_class_is_called_so() -> None:
    assert validate(OUTPUTS, [0, 1, 1, 0, 0]).statistics.accuracy == 0.75


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["fish"] * 5, "no label is a class of the model: the labels are fish, its classes cat, dog"),
        ([None] * 5, "the labels are missing"),
        (["cat"], "5 rows of outputs need as many labels, not 1"),
        ([None, None, None, "cat", None], "took none of the rows that are labelled: row 3"),
    ],
)
def test_what_tells_nothing_is_refused(labels: list[str | None], words: str) -> None:
    with pytest.raises(WrongRows, match=words):
        validate(OUTPUTS, labels)


def test_one_class_alone_is_enough() -> None:
    assert validate(OUTPUTS, ["cat"] * 5).statistics.accuracy == 0.75
