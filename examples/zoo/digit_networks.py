"""The layers of the digit networks: the published ones, rebuilt from the shapes of their weights, and our small one."""

from __future__ import annotations

import torch
from torch import nn


def small(side: int, classes: int) -> nn.Sequential:
    """The network that the zoo trains itself, for grey images of side x side."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * (side // 4) ** 2, 48), nn.ReLU(), nn.Linear(48, classes),
    )  # fmt: skip


def _fill(network: nn.Sequential, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Loads weights in the order of the layers: the published names differ, the order does not."""
    own = list(network.state_dict())
    network.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    return network


def plain(*, channels: tuple[int, ...], hidden: int, side: int, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Convolutions without normalisation: two of them in ccexam's MNIST network, three in digit-recognizer-py's."""
    layers: list[nn.Module] = []
    for before, after in zip((1, *channels), channels, strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        side //= 2
    head = [nn.Flatten(), nn.Linear(channels[-1] * side**2, hidden), nn.ReLU(), nn.Linear(hidden, 10)]
    return _fill(nn.Sequential(*layers, *head), weights)


def normalised(weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Two normalised convolutions on 16 x 16: ccexam's USPS network."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(64 * 4**2, 128), nn.ReLU(), nn.Linear(128, 10)]
    return _fill(nn.Sequential(*layers, *head), weights)


def deep(weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Three pairs of normalised convolutions on 32 x 32 colours: ccexam's SVHN network."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        for start in (before, after):
            layers += [nn.Conv2d(start, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(128 * 4**2, 256), nn.ReLU(), nn.Linear(256, 10)]
    return _fill(nn.Sequential(*layers, *head), weights)
