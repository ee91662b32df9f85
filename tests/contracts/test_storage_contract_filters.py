"""Every database filters, searches and pages alike; what memory answers is what the others must."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_service.domain.catalog import Artifact, Dataset, Filter, Modality, Model
from search_service.domain.ports import Database, UnitOfWork
from search_service.storage.memory import MemoryDatabase
from tests.catalogue import a_dataset, a_model, put_dataset, put_models

HOSTILE = [
    '"',
    "'",
    '""',
    '"*',
    "*",
    "digits*",
    '"digits',
    "digits AND NOT mnist",
    "digits OR mnist",
    "NEAR(digits mnist, 5)",
    "name:digits",
    "^digits",
    "-digits",
    "+digits",
    "{digits}",
    "digits:*",
    "digits & mnist",
    "digits | mnist",
    "!digits",
    "digits <-> mnist",
    "'digits':*",
    "\\",
    "digits\\",
    "%digits%",
    "_",
    "digits'); DROP TABLE models; --",
    ":query",
    "%(query)s",
    "$1 ?",
    "🦊",
    "🦊 digits",
    "数字",
    "e\u0301",
    "ﬁne",
    "ẞ",
    "İ",
    "\t\n",
    " ",
    " ".join(f"word{n}" for n in range(3000)),
    "x" * 5000,
]


@pytest.mark.parametrize(
    ("filter", "passing"),
    [
        (Filter(), "abcd"),
        (Filter(tasks=("detect",)), "b"),
        (Filter(tasks=("detect", "classify")), "abc"),
        (Filter(modalities=(Modality.TEXT,)), "c"),
        (Filter(modalities=(Modality.TEXT, Modality.TABULAR)), "cd"),
        (Filter(classes=("cat",)), "ab"),
        (Filter(classes=("cat", "dog")), "a"),
        (Filter(classes=("dog", "cat", "dog")), "a"),
        (Filter(classes=("Cat",)), ""),
        (Filter(tags=("small",)), "abc"),
        (Filter(tags=("small", "fast")), "bc"),
        (Filter(tags=("Small",)), ""),
        (Filter(licences=("mit",)), "ab"),
        (Filter(licences=("MIT", "STRASSE")), "abc"),
        (Filter(licences=("",)), "d"),
        (Filter(formats=("onnx",)), "ad"),
        (Filter(formats=("onnx", "none")), "abd"),
        (Filter(dataset_id="d1"), "a"),
        (Filter(dataset_id="d9"), ""),
        (Filter(text="digit"), "ad"),
        (Filter(text="DIGITS mnist"), "a"),
        (Filter(text="igits"), ""),
        (Filter(text="mnist-5k"), "a"),
        (Filter(text="5K_mnist"), "a"),
        (Filter(text="strasse"), "c"),
        (Filter(text="groß"), "c"),
        (Filter(text="café"), "d"),
        (Filter(text="cafe\u0301"), "d"),
        (Filter(text="数"), "b"),
        (Filter(text="resnet 18"), "b"),
        (Filter(text="... !!"), "abcd"),
        (Filter(text="a b c"), "b"),
        (Filter(text="digits digit dig"), "ad"),
        (Filter(tasks=("classify",), tags=("small",), licences=("MIT",), text="digits", classes=("dog",)), "a"),
        (Filter(tasks=("classify",), tags=("small",), licences=("MIT",), text="trees"), ""),
    ],
    ids=repr,
)
def test_filters_mean_what_they_say(database: Database, filter: Filter, passing: str) -> None:
    put_dataset(database, "d1")
    put_dataset(database, "d2")
    models = [
        a_model(
            "a",
            name="mnist-5k",
            description="Reads digits.",
            task="classify",
            classes=("cat", "dog"),
            tags=("small",),
            licence="MIT",
            dataset_id="d1",
        ),
        a_model(
            "b",
            name="resnet_18",
            description="数字 by ABC; a b c",
            task="detect",
            classes=("cat",),
            tags=("fast", "small"),
            licence="mit",
            artifact=Artifact(format="none"),
        ),
        a_model(
            "c",
            name="STRASSE",
            description="GROẞ",
            task="classify",
            modality=Modality.TEXT,
            classes=(),
            tags=("fast", "small"),
            licence="straße",
            artifact=Artifact(format="torch_export", uri="s3://x/y"),
            dataset_id="d2",
        ),
        a_model(
            "d",
            name="café",
            description="Digits, Digits!",
            task="embed",
            modality=Modality.TABULAR,
            classes=("dog",),
            tags=(),
            licence="",
        ),
    ]
    put_models(database, *models)
    with database.begin() as work:
        assert work.models.matching_ids(filter) == set(passing)
        page = work.models.page(filter, None, 10)
        assert {model.id for model in page.items} == set(passing)
        assert page.total == len(passing)


def test_datasets_look_at_four_conditions_only(database: Database) -> None:
    put_dataset(database, "a", description="Digits", tags=("x", "y"), licence="MIT", modality=Modality.IMAGE)
    put_dataset(database, "b", description="Words", tags=("x",), licence="CC0", modality=Modality.TEXT)
    ignored = Filter(tasks=("t",), classes=("c",), formats=("f",), dataset_id="d")
    cases = {
        Filter(): "ab",
        ignored: "ab",
        Filter(modalities=(Modality.TEXT,)): "b",
        Filter(tags=("x", "y")): "a",
        Filter(licences=("cc0",)): "b",
        Filter(text="digit"): "a",
    }
    with database.begin() as work:
        for asked, passing in cases.items():
            page = work.datasets.page(asked, None, 10)
            assert [dataset.id for dataset in page.items] == list(passing)
            assert page.total == len(passing)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_a_search_text_is_words_and_never_syntax(database: Database, text: str) -> None:
    models = [
        a_model("digits", description="digits, and not more"),
        a_model("mnist", description="mnist near word0 or 5"),
        a_model("odd", name="fox 🦊", description="数字 é fine ss DROP TABLE name query s 1 i"),
    ]
    oracle = MemoryDatabase()
    for one in (database, oracle):
        put_models(one, *models)
    with database.begin() as work, oracle.begin() as expected:
        assert work.models.matching_ids(Filter(text=text)) == expected.models.matching_ids(Filter(text=text))


def everything(work: UnitOfWork, filter: Filter, size: int) -> list[Model]:
    """All pages, one after the other."""
    found: list[Model] = []
    after = None
    while True:
        page = work.models.page(filter, after, size)
        assert len(page.items) == size or page.after is None
        found += page.items
        after = page.after
        if after is None:
            assert page.total == len(found)
            return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 13, 1000])
def test_pages_cover_everything_once_in_pythons_order(database: Database, size: int) -> None:
    names = ["b", "a", "B", "é", "e", "z", "a b", "a-b", "\U0001f98a", "\uff5e", "_", ""]
    put_models(database, *(a_model(f"m{n}", name=name, version=str(n % 3)) for n, name in enumerate(names)))
    put_models(database, a_model("last", name="a", version="0"))
    with database.begin() as work:
        seen = [(model.name, model.version, model.id) for model in everything(work, Filter(), size)]
    assert seen == sorted(seen)
    assert len(set(seen)) == 13


def test_a_page_starts_after_its_position_even_if_that_object_is_gone(database: Database) -> None:
    put_models(database, *(a_model(name) for name in "abcd"))
    with database.begin() as work:
        after = work.models.page(Filter(), None, 2).after
        work.models.delete("b")
        rest = work.models.page(Filter(), after, 5)
    assert [model.id for model in rest.items] == ["c", "d"]
    assert rest.total == 3
    assert rest.after is None


# Few values, so that conditions meet.
WORDS = st.sampled_from(["digit", "digits", "mnist-5k", "Straße", "STRASSE", "é", "e\u0301", "数字", "5k", "", "x_y"])
LABELS = st.lists(st.sampled_from(["a", "b", "A", "ä", "c d"]), max_size=3, unique=True).map(sorted).map(tuple)
LICENCES = st.sampled_from(["MIT", "mit", "", "Straße", "STRASSE"])
MODALITIES = st.sampled_from(Modality)
TASKS = st.sampled_from(["classify", "detect", "embed"])
FORMATS = st.sampled_from(["onnx", "none"])
DATASETS = st.sampled_from(["", "d0", "d1"])
TEXTS = st.lists(WORDS, max_size=3).map(" ".join)


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=2).map(tuple)


FILTERS = st.builds(
    Filter,
    tasks=some(TASKS),
    modalities=st.lists(MODALITIES, max_size=3).map(tuple),
    classes=LABELS,
    tags=LABELS,
    licences=some(LICENCES),
    text=TEXTS,
    formats=some(FORMATS),
    dataset_id=DATASETS,
)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[list[Dataset], list[Model]]:
    datasets = [
        a_dataset(
            f"d{n}", tags=draw(LABELS), licence=draw(LICENCES), description=draw(TEXTS), modality=draw(MODALITIES)
        )
        for n in range(2)
    ]
    models = [
        a_model(
            f"m{n}",
            name=draw(WORDS),
            version=str(n),
            description=draw(TEXTS),
            licence=draw(LICENCES),
            tags=draw(LABELS),
            task=draw(TASKS),
            modality=draw(MODALITIES),
            classes=draw(LABELS),
            artifact=Artifact(format=draw(FORMATS)),
            dataset_id=draw(DATASETS),
        )
        for n in range(draw(st.integers(0, 12)))
    ]
    return datasets, models


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(catalogue=catalogues(), filters=st.lists(FILTERS, min_size=1, max_size=12), size=st.integers(1, 5))
def test_sql_filters_as_memory_does(
    sql_database: Database, catalogue: tuple[list[Dataset], list[Model]], filters: list[Filter], size: int
) -> None:
    datasets, models = catalogue
    with MemoryDatabase().begin() as expected, sql_database.begin() as found:  # never committed
        for work in (expected, found):
            for dataset in datasets:
                work.datasets.add(dataset, ())
            for model in models:
                work.models.add(model)
            for model in models[::5]:
                work.models.delete(model.id)
        for asked in filters:
            assert found.models.matching_ids(asked) == expected.models.matching_ids(asked)
            assert everything(found, asked, size) == everything(expected, asked, size)
            assert found.datasets.page(asked, None, 5) == expected.datasets.page(asked, None, 5)
