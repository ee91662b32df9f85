"""Featurisers, found by discovery: every module beside this one, and the entry points "msearch.featurisers".

A module offers itself by a module-level `FEATURISER`, and becomes its modality's default by `DEFAULT = True`. An entry
point names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType

from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.base import Featuriser

ENTRY_POINTS = "msearch.featurisers"


def featurisers() -> tuple[Featuriser, ...]:
    """Every featuriser, sorted by name and version."""
    return tuple(featuriser for _, featuriser in sorted(_found().items()))


def get_featuriser(identifier: str) -> Featuriser:
    """The featuriser called "name@version".

    Raises:
        SpaceError: there is none of that name, or not in that version.
    """
    name, _, version = identifier.partition("@")
    found = _found()
    if version.isdecimal() and (name, int(version)) in found:
        return found[name, int(version)]
    known = ", ".join(f"{name}@{version}" for name, version in sorted(found))
    raise SpaceError(f"there is no featuriser {identifier}; known are {known}. Upgrade msearch or install its plug-in.")


def default_featuriser(modality: str) -> Featuriser:
    """The featuriser that a modality uses when none is named.

    Raises:
        SpaceError: the modality has no default featuriser.
    """
    defaults = [
        module.FEATURISER
        for module in _modules()
        if getattr(module, "DEFAULT", False) and module.FEATURISER.modality == modality
    ]
    if not defaults:
        raise SpaceError(f"no featuriser is the default for the modality {modality!r}; name one")
    featuriser: Featuriser = max(defaults, key=lambda featuriser: featuriser.version)
    return featuriser


@lru_cache(maxsize=1)
def _found() -> dict[tuple[str, int], Featuriser]:
    return {(module.FEATURISER.name, module.FEATURISER.version): module.FEATURISER for module in _modules()}


@lru_cache(maxsize=1)
def _modules() -> tuple[ModuleType, ...]:
    """Modules that offer a featuriser; entry points first, so that none replaces a built-in one."""
    own = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return tuple(module for module in (*_plug_ins(), *own) if hasattr(module, "FEATURISER"))


def _plug_ins() -> Iterator[ModuleType]:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            yield point.load()
        except Exception as error:  # noqa: BLE001 - a broken plug-in must not take the built-in featurisers with it
            warnings.warn(
                f"the featuriser plug-in {point.value} cannot be loaded: {error}", RuntimeWarning, stacklevel=2
            )
