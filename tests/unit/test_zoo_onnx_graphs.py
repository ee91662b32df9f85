"""The ONNX files of the zoo compute what the torch networks and the scikit-learn models compute."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from examples.zoo.onnx_graphs import export_sequential
from examples.zoo.running import measure, open_session
from examples.zoo.training import fit_linear, one_deterministic_thread, seed_for, standardised, train_network

NETWORKS = {
    "image": (
        (1, 8, 8),
        nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(64, 5),
        ),
    ),
    "series": (
        (3, 20),
        nn.Sequential(
            nn.Conv1d(3, 4, 5, padding=2, stride=2), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 5),
        ),
    ),
    "vector": ((6,), nn.Sequential(nn.Linear(6, 5))),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("rows", [1, 7])
def test_the_onnx_file_agrees_with_the_network(kind, rows):
    shape, network = NETWORKS[kind]
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    inputs = torch.randn(rows, *shape)
    graph = export_sequential(network, shape, 5)
    (outputs,) = open_session(graph).run(["logits"], {"input": inputs.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(outputs, network.eval()(inputs).numpy(), atol=1e-5)


def test_the_same_network_gives_the_same_bytes():
    shape, network = NETWORKS["image"]
    assert export_sequential(network, shape, 5) == export_sequential(network, shape, 5)


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 4, 3, groups=2), nn.Conv1d(1, 1, 3, dilation=2), nn.GELU()])
def test_a_layer_without_counterpart_is_refused(layer):
    with pytest.raises(TypeError):
        export_sequential(nn.Sequential(layer), (4, 8, 8), 4)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_linear_model_agrees_with_scikit_learn(classes, balanced):
    chance = np.random.default_rng(classes)
    inputs = chance.normal(size=(200, 4)).astype(np.float32)
    labels = (inputs @ chance.normal(size=(4, classes))).argmax(axis=1)
    layer = fit_linear(inputs, labels, classes, strength=2.0, balanced=balanced)
    (logits,) = open_session(export_sequential(layer, (4,), classes)).run(["logits"], {"input": inputs})
    expected = LogisticRegression(C=2.0, max_iter=200, class_weight="balanced" if balanced else None)
    probabilities = expected.fit(inputs, labels).predict_proba(inputs)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, probabilities, atol=1e-3)


def test_a_class_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"positions \[2\]"):
        fit_linear(np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1]), 3, strength=1.0, balanced=False)


def test_scaling_folds_into_the_layer():
    chance = np.random.default_rng(0)
    inputs = chance.normal(3, 2, (20, 4)).astype(np.float32)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        expected = layer(torch.from_numpy((inputs - mean) / deviation)).numpy()
        folded = standardised(layer, mean, deviation)(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(folded, expected, atol=1e-5)


def test_training_repeats_to_the_bit_and_learns():
    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(256, 1, 8, 8)).astype(np.float32)
    labels = (inputs.mean(axis=(1, 2, 3)) > 0).astype(np.int64)

    def trained() -> nn.Sequential:
        seed_for("repeat")
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        train_network(network, inputs, labels, name="repeat", epochs=12)
        return network

    with one_deterministic_thread():
        first, second = trained(), trained()
    assert export_sequential(first, (1, 8, 8), 2) == export_sequential(second, (1, 8, 8), 2)
    with torch.no_grad():
        assert (first(torch.from_numpy(inputs)).argmax(dim=1).numpy() == labels).mean() > 0.9


def test_measures_are_the_textbook_ones():
    predicted, labels = ["same", "same", "different", "different"], ["same", "different", "same", "different"]
    assert measure(predicted, labels, None) == {"accuracy": 0.5}
    assert measure(predicted, labels, "same") == {"accuracy": 0.5, "f1": 0.5}
    assert measure(["different"], ["different"], "same") == {"accuracy": 1.0, "f1": 0.0}
