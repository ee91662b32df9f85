"""The families of canonical models: one file each, named as the family, with a `FAMILY`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from msearch_experiments.canonical.families._definition import Family


@cache
def families() -> dict[str, Family]:
    """All families by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: importlib.import_module(f"{__name__}.{name}").FAMILY for name in names}
