"""Meters by name: every module beside this one with a module-level `METER`, and entry points "msearch.meters"."""

from __future__ import annotations

from functools import cache

from profiler_agent.meters.base import IdleMeter, Meter, MeterSetting, Reading
from profiler_agent.plugins import find_plugins

__all__ = ["IdleMeter", "Meter", "MeterSetting", "Reading", "find_meters", "measure_idle_power"]


@cache
def find_meters() -> dict[str, Meter]:
    """All meters by name."""
    return find_plugins(__name__, __path__, "METER", "msearch.meters")


def measure_idle_power(device: str, seconds: float = 0.5) -> float | None:
    """Watts that the device draws while the caller does nothing for so long; None, at once, where no meter can tell.

    Call it before a run, with the model loaded, and pass the result on as `MeterSetting.idle_w`.
    """
    for meter in find_meters().values():
        watts = meter.idle_power(device, seconds) if isinstance(meter, IdleMeter) else None
        if watts is not None:
            return watts
    return None
