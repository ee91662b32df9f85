"""Trains the zoo's small networks and linear models, the same way every time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import nn

from examples.zoo.entries import generator

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


@contextmanager
def one_deterministic_thread() -> Iterator[None]:
    """Within it, torch and BLAS use one thread and deterministic algorithms, so that results repeat to the bit."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def seed_for(name: str) -> None:
    """Seeds torch's initial weights by a name."""
    torch.manual_seed(int(generator(f"weights {name}").integers(2**62)))


def train_network(
    network: nn.Module,
    inputs: Floats,
    labels: Positions,
    *,
    name: str,
    epochs: int,
    batch: int = 64,
    rate: float = 3e-3,
    decay: float = 1e-4,
) -> None:
    """Trains in place by AdamW with a one-cycle rate on cross-entropy.

    `inputs` [n, ...] float32, `labels` [n] positions in the classes; the order of the rows is drawn by `name`.
    """
    rows, answers = torch.from_numpy(inputs), torch.from_numpy(labels)
    order = generator(f"batches {name}")
    steps = max(1, len(labels) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * steps)
    network.train()
    for _ in range(epochs):
        shuffled = torch.from_numpy(order.permutation(len(labels)))
        for step in range(steps):
            chosen = shuffled[step * batch : (step + 1) * batch]
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(rows[chosen]), answers[chosen]).backward()
            optimiser.step()
            schedule.step()
    network.eval()


def fit_linear(inputs: Floats, labels: Positions, classes: int, *, strength: float, balanced: bool) -> nn.Linear:
    """Logistic regression as a linear layer that gives one logit per class.

    `strength` is the inverse of the penalty; `balanced` gives every class the same weight.

    Raises:
        ValueError: a class has no row.
    """
    if missing := sorted(set(range(classes)) - set(labels.tolist())):
        raise ValueError(f"no row of the classes at positions {missing}")
    regression = LogisticRegression(C=strength, max_iter=200, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an unfinished optimum is good enough for an example
        fitted = regression.fit(csr_matrix(inputs), labels)  # hashed texts are mostly zeros
    weights, bias = fitted.coef_, fitted.intercept_
    if classes == 2:
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return _linear(weights, bias)


def standardised(layer: nn.Linear, mean: Floats, deviation: Floats) -> nn.Linear:
    """The layer that gives on x what `layer` gives on (x - mean) / deviation."""
    weights = layer.weight.detach().numpy() / deviation
    return _linear(weights, layer.bias.detach().numpy() - weights @ mean)


def _linear(weights: NDArray[np.floating], bias: NDArray[np.floating]) -> nn.Linear:
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights.astype(np.float32)))
        layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    return layer
