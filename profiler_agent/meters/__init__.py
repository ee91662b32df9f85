"""Meters by name: every module beside this one with a module-level `METER`, and entry points "msearch.meters"."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from profiler_agent.meters.base import Meter, MeterSetting, Reading

__all__ = ["Meter", "MeterSetting", "Reading", "find_meters", "measure_idle_power"]


@cache
def find_meters() -> dict[str, Meter]:
    """All meters by name."""
    found: dict[str, Meter] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        meter = getattr(importlib.import_module(f"{__name__}.{module.name}"), "METER", None)
        if meter is not None:
            found[meter.name] = meter
    for entry in entry_points(group="msearch.meters"):
        meter = entry.load()
        found[meter.name] = meter
    return dict(sorted(found.items()))


def measure_idle_power(device: str, seconds: float = 0.5) -> float | None:
    """Watts that the device draws while the caller does nothing for so long; None, at once, where no meter can tell.

    Call it before a run, with the model loaded, and pass the result on as `MeterSetting.idle_w`.
    """
    for meter in find_meters().values():
        idle_power = getattr(meter, "idle_power", None)
        watts = None if idle_power is None else idle_power(device, seconds)
        if watts is not None:
            return float(watts)
    return None
