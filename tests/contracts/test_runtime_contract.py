"""What every runtime of `msearch_running` must do; it picks up whatever discovery finds."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msearch_running.errors import RunError
from msearch_running.models import LoadedModel, available_formats, find_formats
from tests.compiled_models import EXAMPLES, damaged, reference, write_fixed, write_model

FORMATS = find_formats()
MODELS = tuple(EXAMPLES)


def load(format: str, path: Path) -> LoadedModel:
    loaded: LoadedModel = import_module(f"msearch_running.runtimes.{format}").load(path, threads=1)
    return loaded


@pytest.fixture(params=FORMATS, name="format")
def installed_format(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name not in available_formats():
        pytest.skip(f"the packages that run {name} are not installed")
    return name


def named(model: LoadedModel, feed: dict[str, Any]) -> dict[str, Any]:
    """The feed under the model's own names, in order."""
    return dict(zip([spec.name for spec in model.inputs], feed.values(), strict=True))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [1, 7])
def test_it_computes_what_the_model_computes(format: str, name: str, rows: int, tmp_path: Path) -> None:
    model = load(format, write_model(tmp_path, name, format))
    feed = EXAMPLES[name].feed(rows)
    (found,) = model.run(named(model, feed)).values()
    np.testing.assert_allclose(found, reference(name, feed), atol=1e-4)
    assert [spec.element_type for spec in model.inputs] == [tensor.dtype.name for tensor in feed.values()]


@pytest.mark.parametrize("name", MODELS)
def test_noise_changes_a_copy_and_is_the_same_every_time(format: str, name: str, tmp_path: Path) -> None:
    model = load(format, write_model(tmp_path, name, format))
    assert model.has_weights
    feed = named(model, EXAMPLES[name].feed(5))
    (before,) = model.run(feed).values()
    (small,), (large,) = (model.with_noise(eta, 3).run(feed).values() for eta in (0.02, 0.2))
    (again,) = model.with_noise(0.2, 3).run(feed).values()
    (other,) = model.with_noise(0.2, 4).run(feed).values()
    (after,) = model.run(feed).values()
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(large, again)
    assert 0 < np.abs(small - before).mean() < np.abs(large - before).mean()
    assert not np.array_equal(large, other)


def test_a_fixed_batch_is_told(format: str, tmp_path: Path) -> None:
    model = load(format, write_fixed(tmp_path, format, 4))
    assert model.inputs[0].shape[0] == 4


@pytest.mark.parametrize("kind", ["empty", "noise", "truncated", "pickle", "text"])
def test_what_is_no_model_is_refused_in_words(format: str, kind: str, tmp_path: Path) -> None:
    sound = write_model(tmp_path, "mlp", format)
    broken = tmp_path / "broken"
    broken.write_bytes(damaged(sound.read_bytes(), kind))
    with pytest.raises(RunError) as caught:
        load(format, broken)
    assert caught.value.message


def test_rows_that_do_not_fit_are_told_in_words(format: str, tmp_path: Path) -> None:
    model = load(format, write_model(tmp_path, "mlp", format))
    with pytest.raises(RunError, match="fails on these rows"):
        model.run(named(model, {"x": np.zeros((2, 3), np.float32)}))
