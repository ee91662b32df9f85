"""Entity matching: are two records the same thing. Tasks of autofj, and the labelled pairs of py-entitymatching."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import nn

from examples.zoo.archive_files import read_csv, read_member, read_members
from examples.zoo.entries import (
    MOST_SOURCE_ROWS,
    Notice,
    Recipe,
    Source,
    Target,
    Workload,
    ZooModel,
    generator,
    labelled,
)
from examples.zoo.fetch import Archives
from examples.zoo.onnx_graphs import export_sequential
from examples.zoo.running import card_of, input_tensor
from examples.zoo.training import seed_for, standardised, train_network

POSITIVE = "same"
_CLASSES = ("different", POSITIVE)
_TAGS = ("entity-matching", "example-zoo")
_FEATURISER = "pairs-similarity@1"
_FOLDER = "autofj/benchmark/"
_FEWEST_GOLD_TO_TRAIN = 200
_FEWEST_GOLD_TO_ASK = 150
_MOST_GOLD = 500
_NEGATIVES = 3
_DATASETS = "py-entitymatching-0.4.2/py_entitymatching/datasets/"
_Record = dict[str, str]
_SHARES = (0.5, 0.15, 0.35)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Labelled candidate pairs; a group is the text of one right record, with all its candidates."""

    rows: pa.Table
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    licence: str

    def split(self, name: str) -> list[_Pairs]:
        """Parts to train on, to validate on and to ask about.

        A right record's text decides its part, the same in every task: some tasks share records.
        """
        bounds = np.cumsum(_SHARES)
        places = {group: generator(f"record {group}").random() for group in set(self.groups)}
        parts = np.array([int(np.searchsorted(bounds, places[group], "right")) for group in self.groups])
        return [self._take(np.flatnonzero(parts == part), f"{name} {part}") for part in range(len(_SHARES))]

    def _take(self, chosen: NDArray[np.intp], name: str) -> _Pairs:
        chosen = generator(f"order {name}").permutation(chosen)[:MOST_SOURCE_ROWS]
        return _Pairs(
            rows=self.rows.take(chosen),
            labels=tuple(self.labels[row] for row in chosen),
            groups=tuple(self.groups[row] for row in chosen),
            licence=self.licence,
        )

    def labelled(self) -> pa.Table:
        """The pairs with their labels."""
        return labelled(self.rows, self.labels)


def build(archives: Archives, notice: Notice) -> Workload:
    """One matcher per task; every task is a target by its held-out records."""
    tasks = {"dblp-acm": _dblp_acm(archives), "fodors-zagats": _fodors_zagats(archives)}
    to_ask_only = []
    for task, gold in _autofj_tasks(archives).items():
        notice(f"finding candidate pairs of {task}")
        tasks[_slug(task)] = _autofj(archives, task)
        if gold < _FEWEST_GOLD_TO_TRAIN:
            to_ask_only.append(_slug(task))
    models, targets = [], []
    for name, pairs in tasks.items():
        train, held_out, asked = pairs.split(f"matching {name}")
        if name not in to_ask_only:
            notice(f"training the matcher {name}")
            models.append(_model(name, train, held_out))
        target = Target(
            name=name, description=f"candidate pairs of {name}, other records", rows=asked.rows, labels=asked.labels
        )
        targets.append(target)
    return Workload(models=models, targets=targets, metric="f1")


def _autofj_tasks(archives: Archives) -> dict[str, int]:
    """The even-numbered tasks in the order of their names that have enough gold pairs, with their number."""
    files = read_members(archives.paths["autofj"], _FOLDER)
    names = sorted({path.split("/")[2] for path in files if path.count("/") == 3})
    gold = {name: len(read_csv(files[f"{_FOLDER}{name}/gt.csv"])) for name in names[::2]}
    return {name: count for name, count in gold.items() if count >= _FEWEST_GOLD_TO_ASK}


def _slug(task: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in task).lstrip("-")


def _autofj(archives: Archives, task: str) -> _Pairs:
    """Each right record with its match, and the left records that look most like it but are not its match."""
    left, right, gold = (
        read_csv(read_member(archives.paths["autofj"], f"{_FOLDER}{task}/{part}.csv"))
        for part in ("left", "right", "gt")
    )
    matches: dict[str, set[str]] = {}
    for row in gold:
        matches.setdefault(row["id_r"], set()).add(row["id_l"])
    titles = [row["title"] for row in left]
    place = {row["id"]: position for position, row in enumerate(left)}
    asked = [row for row in right if row["id"] in matches]
    asked = [asked[row] for row in generator(f"records {task}").permutation(len(asked))[:_MOST_GOLD]]
    found: list[tuple[_Record, _Record]] = []
    labels: list[str] = []
    groups: list[str] = []
    for row, near in zip(asked, _nearest(titles, [row["title"] for row in asked]), strict=True):
        same = {place[identity] for identity in matches[row["id"]] if identity in place}
        others = [position for position in near if position not in same][:_NEGATIVES]
        for position in [*sorted(same), *others]:
            found.append(({"title": titles[position]}, {"title": row["title"]}))
            labels.append(_CLASSES[position in same])
            groups.append(_normalise(row["title"]))
    return _Pairs(rows=_table(found), labels=tuple(labels), groups=tuple(groups), licence="MIT")


def _table(found: list[tuple[_Record, _Record]]) -> pa.Table:
    """Two columns of structs, `left` and `right`, so that one card reads records with whatever attributes."""
    kind = pa.struct([(attribute, pa.string()) for attribute in found[0][0]])
    return pa.table({side: pa.array([pair[at] for pair in found], kind) for at, side in enumerate(("left", "right"))})


def _nearest(titles: list[str], queries: list[str]) -> Iterator[list[int]]:
    """For each query the positions of the titles most like it, by the cosine of their character trigrams."""
    vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), sublinear_tf=True)
    known = vectoriser.fit_transform(titles).T.tocsr()
    similar = (vectoriser.transform(queries) @ known).tocsr()
    for start, end in zip(similar.indptr[:-1], similar.indptr[1:], strict=True):
        row = similar.data[start:end]
        best = np.lexsort((similar.indices[start:end], -row.round(9)))[: _NEGATIVES + 4]
        yield similar.indices[start:end][best].tolist()


def _dblp_acm(archives: Archives) -> _Pairs:
    """865 labelled pairs of publications, of two files that share three columns."""
    files = (
        ("labeled_data_demo.csv", "ltable_", "rtable_", "label"),
        ("dblp_acm_demo_labels.csv", "ltable.", "rtable.", "gold"),
    )
    return _labelled_files(archives, files, ("title", "authors", "year"))


def _fodors_zagats(archives: Archives) -> _Pairs:
    """450 labelled pairs of restaurants, among them all 112 matches."""
    files = (("end-to-end/restaurants/lbl_restnt_wf1.csv", "ltable_", "rtable_", "gold"),)
    return _labelled_files(archives, files, ("name", "addr", "city", "phone"))


def _labelled_files(
    archives: Archives, files: tuple[tuple[str, str, str, str], ...], attributes: tuple[str, ...]
) -> _Pairs:
    found: list[tuple[_Record, _Record]] = []
    labels: list[str] = []
    groups: list[str] = []
    for file, left, right, gold in files:
        for row in read_csv(read_member(archives.paths["py-entitymatching"], _DATASETS + file), "latin-1"):
            found.append((_record(row, left, attributes), _record(row, right, attributes)))
            labels.append(_CLASSES[row[gold] == "1"])
            groups.append(_normalise(row[right + attributes[0]]))
    return _Pairs(rows=_table(found), labels=tuple(labels), groups=tuple(groups), licence="BSD-3-Clause")


def _normalise(text: str) -> str:
    """What makes two records the same for the split."""
    return " ".join(text.lower().split())


def _record(row: dict[str, str], prefix: str, attributes: tuple[str, ...]) -> _Record:
    """The attributes of one side; one of the files writes years as 1999.0."""
    return {name: row[prefix + name].removesuffix(".0") for name in attributes}


def _model(name: str, train: _Pairs, held_out: _Pairs) -> ZooModel:
    card = {
        "name": f"matching-{name}",
        "version": "1",
        "description": f"Matcher on string similarities, trained on pairs of {name}.",
        "licence": train.licence,
        "tags": list(_TAGS),
        "task": "classification",
        "modality": "pairs",
        "classes": list(_CLASSES),
        "artifact": {"format": "onnx"},
        "input": {
            "kind": "pairs",
            "left": ["left"],
            "right": ["right"],
            "encoding": {"type": "featuriser", "name": _FEATURISER},
        },
        "output": {"kind": "logits"},
    }
    return ZooModel(
        card=card,
        graph=_fit(card, train, name),
        source=Source(
            name=f"matching-{name}",
            description=f"Labelled candidate pairs of {name}.",
            licence=train.licence,
            tags=_TAGS,
            rows=train.labelled(),
        ),
        validation=held_out.labelled(),
    )


def _fit(card: dict[str, Any], train: _Pairs, name: str) -> bytes:
    """A small network on the featuriser's similarities, their scaling folded into its first layer."""
    tensor = input_tensor(card_of(card), train.rows)
    answers = np.array([_CLASSES.index(label) for label in train.labels], np.int64)
    mean, deviation = tensor.mean(axis=0), np.maximum(tensor.std(axis=0), 0.05)
    seed_for(f"matching {name}")
    first = nn.Linear(tensor.shape[1], 16)
    network = nn.Sequential(first, nn.ReLU(), nn.Linear(16, len(_CLASSES)))
    train_network(network, (tensor - mean) / deviation, answers, name=f"matching {name}", epochs=20, decay=1e-2)
    folded = nn.Sequential(standardised(first, mean, deviation), *list(network)[1:])
    return export_sequential(folded, tensor.shape[1:], len(_CLASSES))


RECIPE = Recipe(
    name="matching",
    title="Entity matching",
    tag="entity-matching",
    needs=("autofj", "py-entitymatching"),
    demo_target="museum",
    build=build,
)
