"""Featurisers are found, not listed."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from msearch_sketch import SpaceError, featurisers
from msearch_sketch.featurisers import default_featuriser, get_featuriser
from msearch_sketch.spaces import MODALITIES


@pytest.fixture
def rediscover():
    """Discovery is remembered; forget it before and after."""

    def forget() -> None:
        featurisers._modules.cache_clear()
        featurisers._found.cache_clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def entry_points(monkeypatch, rediscover):
    """Pretends that plug-ins are installed."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(featurisers, "entry_points", lambda group: points if group == "msearch.featurisers" else [])
    return points


def plug_in(monkeypatch, name: str, **fields) -> EntryPoint:
    module = ModuleType(name)
    module.__dict__.update(fields)
    monkeypatch.setitem(sys.modules, name, module)
    return EntryPoint(name, name, "msearch.featurisers")


def test_every_modality_has_exactly_one_built_in_default():
    for modality in MODALITIES:
        assert default_featuriser(modality).modality == modality
        defaults = [
            m for m in featurisers._modules() if getattr(m, "DEFAULT", False) and m.FEATURISER.modality == modality
        ]
        assert len(defaults) == 1


def test_unknown_names_are_refused_and_known_ones_listed():
    for name in ("nothing@1", "image-dct", "image-dct@99", "image-dct@x", ""):
        with pytest.raises(SpaceError, match="image-dct@1"):
            get_featuriser(name)
    with pytest.raises(SpaceError, match="no featuriser is the default"):
        default_featuriser("smell")


def test_a_plug_in_is_found(monkeypatch, entry_points):
    own = SimpleNamespace(name="smell", version=3, modality="smell")
    entry_points.append(plug_in(monkeypatch, "smells", FEATURISER=own, DEFAULT=True))
    assert get_featuriser("smell@3") is own
    assert default_featuriser("smell") is own


def test_a_plug_in_cannot_replace_a_built_in(monkeypatch, entry_points):
    impostor = SimpleNamespace(name="image-dct", version=1, modality="image")
    entry_points.append(plug_in(monkeypatch, "impostor", FEATURISER=impostor, DEFAULT=True))
    assert get_featuriser("image-dct@1") is not impostor


def test_a_broken_plug_in_is_reported_and_the_others_work(entry_points):
    entry_points.append(EntryPoint("broken", "no_such_module_anywhere", "msearch.featurisers"))
    with pytest.warns(RuntimeWarning, match="no_such_module_anywhere cannot be loaded"):
        assert default_featuriser("text").name == "text-words"
