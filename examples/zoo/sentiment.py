"""Sentiment: is a sentence positive or negative, in tweets, product reviews, film reviews and editorials."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from examples.zoo.archive_files import members_of_tar, read_member
from examples.zoo.entries import MOST_SOURCE_ROWS, Notice, Recipe, Source, Target, Workload, ZooModel
from examples.zoo.fetch import Archives
from examples.zoo.texts import Texts, fit_text_model, text_card

_CLASSES = ("negative", "positive")
_LICENCE = "MIT"
_TAGS = ["sentiment", "example-zoo"]
_FILES = {
    "tweets": "tweets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "films": "movieReviewSnippets_GroundTruth.txt",
    "editorials": "nytEditorialSnippets_GroundTruth.txt",
}
_ENCODING = {"analyser": "word", "ngrams": [1, 1], "features": 8192, "norm": "l2"}
_SHARES = (0.55, 0.1, 0.35)
_TARGET_ROWS = 600
_FEW_ROWS = 300
_MOST_TRAINING_ROWS = 4000


def build(archives: Archives, notice: Notice) -> Workload:
    """Models of single domains, of mixtures, and of few rows or short texts; targets of every domain."""
    splits = {name: texts.split(f"sentiment {name}", _SHARES) for name, texts in _load(archives).items()}
    models = []
    for name, (train, held_out) in _sources(splits).items():
        notice(f"fitting the sentiment model {name}")
        models.append(_model(name, train, held_out))
    return Workload(models=models, targets=list(_targets({name: parts[2] for name, parts in splits.items()})))


def _load(archives: Archives) -> dict[str, Texts]:
    inner = read_member(
        archives.paths["vaderSentiment"], "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz"
    )
    members = members_of_tar(inner)
    return {domain: _read(members[f"hutto_ICWSM_2014/{file}"]) for domain, file in _FILES.items()}


def _read(data: bytes) -> Texts:
    """Lines of id, rating, text. The rating's sign is the class; a rating of 0 has none and is left out.

    A sentence that comes again is left out too, so that none is in two parts of the split.
    """
    seen: set[str] = set()
    texts, labels, groups = [], [], []
    for line in data.decode("latin-1").splitlines():
        identity, rating, text = line.split("\t", 2)
        text = text.strip()
        if float(rating) == 0 or not text or text.lower() in seen:
            continue
        seen.add(text.lower())
        texts.append(text)
        labels.append(_CLASSES[float(rating) > 0])
        groups.append(identity.partition("_")[0])
    return Texts(tuple(texts), tuple(labels), tuple(groups))


def _sources(splits: dict[str, list[Texts]]) -> dict[str, tuple[Texts, Texts]]:
    """Training and validation rows of each model."""
    sources = {domain: (parts[0], parts[1]) for domain, parts in splits.items()}
    for first, second in combinations(splits, 2):
        sources[f"{first}-{second}"] = _mix([splits[first], splits[second]], f"{first} {second}")
    sources["all"] = _mix(list(splits.values()), "all")
    for domain, parts in splits.items():
        sources[f"{domain}-few"] = (parts[0].shuffled(f"few {domain}", _FEW_ROWS), parts[1])
        sources[f"{domain}-short"] = (_short(parts[0]), _short(parts[1]))
    return sources


def _mix(members: list[list[Texts]], name: str) -> tuple[Texts, Texts]:
    """Equal numbers of rows of each domain."""
    each = _MOST_TRAINING_ROWS // len(members)
    train, held_out = Texts((), (), ()), Texts((), (), ())
    for position, parts in enumerate(members):
        train += parts[0].shuffled(f"{name} {position}", each)
        held_out += parts[1].shuffled(f"{name} {position} validation", 200)
    return train, held_out


def _short(texts: Texts) -> Texts:
    lengths = np.array([len(text) for text in texts.texts])
    return texts.take(np.flatnonzero(lengths <= np.median(lengths)).tolist())


def _long(texts: Texts) -> Texts:
    lengths = np.array([len(text) for text in texts.texts])
    return texts.take(np.flatnonzero(lengths > np.median(lengths)).tolist())


def _model(name: str, train: Texts, held_out: Texts) -> ZooModel:
    what = name.replace("-few", f", {_FEW_ROWS} rows only").replace("-short", ", shorter half").replace("-", " and ")
    card = text_card(
        name=f"sentiment-{name}",
        description=f"Logistic regression on hashed words, trained on {what}.",
        licence=_LICENCE,
        tags=_TAGS,
        classes=_CLASSES,
        encoding=_ENCODING,
    )
    rows = train.shuffled(f"source {name}", _MOST_TRAINING_ROWS).labelled_rows()
    source = Source(
        name=card["name"],
        description=f"Rated sentences: {what}.",
        licence=_LICENCE,
        tags=tuple(_TAGS),
        rows=rows.slice(0, MOST_SOURCE_ROWS),
    )
    return ZooModel(
        card=card,
        graph=fit_text_model(card, rows, strength=8.0),
        source=source,
        validation=held_out.shuffled(f"validation {name}", 500).labelled_rows(),
    )


def _targets(held_out: dict[str, Texts]) -> Iterator[Target]:
    for domain, texts in held_out.items():
        for kind, chosen in (("", texts), ("-short", _short(texts)), ("-long", _long(texts))):
            rows = chosen.shuffled(f"target {domain}{kind}", _TARGET_ROWS)
            half = {"": "", "-short": ", shorter half", "-long": ", longer half"}[kind]
            yield Target(
                name=domain + kind, description=f"sentences of {domain}{half}", rows=rows.rows(), labels=rows.labels
            )


RECIPE = Recipe(
    name="sentiment",
    title="Sentiment of sentences",
    tag="sentiment",
    needs=("vaderSentiment",),
    demo_target="products",
    build=build,
)
