"""Tables at any width: nothing wider than the terminal, no number cut, no name lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from msearch_client.cli.tables import GAP, NARROWEST_TEXT, lay_out

NUMBERS = [f"score-{number}" for number in range(8)]


@given(
    width=st.integers(60, 200),
    texts=st.lists(st.integers(0, 90), min_size=3, max_size=3),
    numbers=st.lists(st.integers(1, 12), max_size=8),
    tags=st.integers(0, 300),
)
def test_tables_fit_and_keep_what_matters(width: int, texts: list[int], numbers: list[int], tags: int) -> None:
    row = {
        "rank": "1",
        "model": "m" * texts[0],
        "dataset": "d" * texts[1],
        "licence": "l" * texts[2],
        "tags": "t" * tags,
    }
    row |= {name: "9" * size for name, size in zip(NUMBERS, numbers, strict=False)}
    shown = NUMBERS[: len(numbers)]
    tables = lay_out([row], width, numbers=["rank", *shown], wide=["tags"], keys=["rank", "model"])
    for columns in tables:
        assert sum(column.width for column in columns) + GAP * (len(columns) - 1) <= width
        assert [column.name for column in columns][:2] == ["rank", "model"]
        for column in columns:
            if column.number:
                assert column.width >= len(row[column.name])
            elif not column.wide:
                assert column.width >= min(len(row[column.name]), NARROWEST_TEXT)
    names = [column.name for columns in tables for column in columns]
    assert {"rank", "model", "dataset", "licence", *shown} <= set(names)
    assert all(names.count(name) == 1 for name in shown)


def test_room_goes_to_names_before_wide_columns() -> None:
    row = {"model": "m" * 30, "tags": "t" * 100}
    roomy, tight = (lay_out([row], width, numbers=[], wide=["tags"], keys=[])[0] for width in (60, 36))
    assert [(column.name, column.width) for column in roomy] == [("model", 30), ("tags", 28)]
    assert [(column.name, column.width) for column in tight] == [("model", 30)]


def test_everything_is_shown_where_there_is_room() -> None:
    rows = [{"model": "a", "adaptivity": "0.5"}, {"model": "longer", "adaptivity": "0.25"}]
    (columns,) = lay_out(rows, 10_000, numbers=["adaptivity"], wide=[], keys=["model"])
    assert [column.width for column in columns] == [6, 10]
