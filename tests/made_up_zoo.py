"""A made-up workload for tests of the example zoo and the demo: two text classifiers, one good and one poor."""

from __future__ import annotations

from pathlib import Path

from examples.zoo.building import Zoo
from examples.zoo.entries import Recipe, Source, Target, Workload, ZooModel, generator
from examples.zoo.texts import Texts, fit_text_model, text_card
from examples.zoo.writing import write_manifest, write_workload

CLASSES = ("fruit", "tool")
WORDS = {"fruit": ["apple", "pear", "plum", "quince"], "tool": ["saw", "plane", "file", "awl"]}


def texts(name: str, rows: int, *, slips: float = 0.0) -> Texts:
    """Sentences of words of a class, a share of them labelled wrongly."""
    chance = generator(name)
    made, labels = [], []
    for _ in range(rows):
        label = CLASSES[chance.integers(2)]
        made.append(" ".join(chance.choice(WORDS[label], 4)))
        labels.append(label if chance.random() >= slips else CLASSES[label == "fruit"])
    return Texts(tuple(made), tuple(labels), tuple(f"{name}{row % 7}" for row in range(rows)))


def workload() -> Workload:
    models = []
    for name, slips in (("good", 0.0), ("poor", 0.45)):
        train = texts(name, 80, slips=slips)
        card = text_card(
            name=f"words-{name}", description="Made up.", licence="MIT", tags=["made-up"], classes=CLASSES,
            encoding={"features": 64},
        )  # fmt: skip
        rows = train.labelled_rows()
        models.append(
            ZooModel(
                card=card,
                graph=fit_text_model(card, rows, strength=2.0),
                source=None if name == "poor" else Source(
                    name="words", description="Made up.", licence="MIT", tags=("made-up",), rows=rows
                ),
                validation=texts(f"{name} validation", 40).labelled_rows(),
            )
        )  # fmt: skip
    asked = texts("asked", 60, slips=0.1)
    return Workload(
        models=models,
        targets=[
            Target(
                name="asked", description="Made up.", rows=asked.rows(), labels=asked.labels, related=("words-poor",)
            )
        ],
    )


RECIPE = Recipe(
    name="words", title="Words", tag="made-up", needs=(), demo_target="asked", build=lambda archives, notice: workload()
)


def write_zoo(folder: Path) -> Zoo:
    """A built zoo of that workload alone."""
    write_workload(RECIPE, workload(), folder / RECIPE.name, lambda line: None)
    write_manifest(folder, [RECIPE.name])
    return Zoo(folder, (RECIPE,), {})
