"""Outputs and labels: what is counted and kept is what was given, whatever the order of classes and rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from msearch_accuracy.label_matching import UNKNOWN, match_labels, names_of
from search_service.usecases.outputs import Outputs, Shape, read_outputs
from search_service.usecases.points import Points

NAMES = st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=4), unique=True)
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed: int, rows: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(np.float32)


@given(SEEDS, st.integers(1, 20), st.integers(2, 6), st.integers(0, 3), st.data())
def test_outputs_survive_the_wire_the_blob_and_another_order(
    seed: int, rows: int, classes: int, draws: int, data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    values = draw(seed, rows, classes)
    values[random.random(rows) < 0.2] = np.nan
    noisy = random.integers(-1, classes, (draws, rows)).astype("<i2")
    names = tuple(f"class {place}" for place in range(classes))
    order = data.draw(st.permutations(range(classes)))
    sent = values[:, order].astype("<f4").tobytes()
    told = np.append(np.argsort(order), -1).astype("<i2")[noisy]  # the same votes in the order that is sent
    cut = data.draw(st.integers(1, len(sent)))
    shape = Shape(rows=rows, classes=tuple(names[place] for place in order))
    read = read_outputs(shape, [sent[:cut], sent[cut:]], told.tobytes(), model_classes=names)
    np.testing.assert_array_equal(read.probabilities, values)
    np.testing.assert_array_equal(read.noisy, noisy)
    kept = Outputs.decode(names, [read.encode()])
    np.testing.assert_array_equal(kept.probabilities, values)
    np.testing.assert_array_equal(kept.noisy, noisy)
    assert kept.encode() == read.encode()


@given(SEEDS, st.integers(1, 30), st.integers(2, 5))
def test_hits_are_counted_as_one_by_one(seed: int, rows: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    values = draw(seed, rows, classes)
    values[random.random(rows) < 0.2] = np.nan
    labels = random.integers(-1, classes, rows).astype(np.int32)
    points = Points(np.zeros((rows, 2), np.int16), np.ones(rows, bool), labels)
    names = tuple(f"class {place}" for place in range(classes))
    known = ("something else", *names[1:])  # the sample calls its first class otherwise
    outputs = Outputs(names, values, np.zeros((0, rows), np.int16))
    expected = [
        names[row.argmax()] == known[label]
        for row, label in zip(values, labels, strict=True)
        if label >= 0 and np.isfinite(row).all()
    ]
    assert outputs.count(points, known) == (sum(expected), len(expected))


@given(NAMES, NAMES)
def test_labels_are_matched_by_name(labels: list[str], classes: list[str]) -> None:
    for label, place in zip(labels, match_labels(labels, classes).tolist(), strict=True):
        assert (place == UNKNOWN) == (label not in classes)
        assert place == UNKNOWN or classes[place] == label
    assert names_of(labels, classes) == tuple(labels), "a label that is known keeps its name, as does one that is not"


@given(NAMES.filter(bool), st.data())
def test_whole_numbers_are_positions_where_no_class_has_such_a_name(classes: list[str], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(classes) - 1), min_size=1, unique=True))
    labels = [str(place) for place in places]
    assert match_labels(labels, classes).tolist() == places
    assert names_of(labels, classes) == tuple(classes[place] for place in places)
    too_many = [*labels, str(len(classes))]
    assert set(match_labels(too_many, classes).tolist()) == {UNKNOWN}
    numbered = [str(place) for place in range(len(classes))]
    assert match_labels(labels, numbered[::-1]).tolist() == [len(classes) - 1 - place for place in places], "by name"
