"""From energy and time to what is reported: joules, watts and grams of CO2.

    energy_j      = (E_end - E_start) / N                 per inference
    energy_net_j  = (E_end - E_start - idle power x time) / N
    power_w       = (E_end - E_start) / time
    co2_g_per_1k  = 1000 x energy_j / 3.6e6 x carbon intensity (g/kWh) x PUE

A counter that ran backwards has wrapped or was reset; two readings cannot tell which, so it's an error, and no energy
is reported for that run. One that is missing or may not be read is "none" with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from msearch_deployment.prices import Unpriced, co2_g_per_1k, explain_co2, read_prices
from profiler_agent.meters.base import MeterSetting, not_measured
from profiler_agent.work import Measurement

_UNITS = {"energy_j": "J", "energy_net_j": "J", "power_w": "W", "co2_g_per_1k": "g"}
_NO_IDLE = "the idle power of the host was not measured"


def no_energy(reason: str) -> tuple[Measurement, ...]:
    """All quantities of energy with the reason why there are none."""
    return tuple(not_measured(name, unit, reason) for name, unit in _UNITS.items())


def energy_measurements(
    joules: float, seconds: float, inferences: int, *, setting: MeterSetting, source: str, detail: str
) -> Sequence[Measurement]:
    """The quantities of a run that took so much energy and time. `source` is that of the energy."""
    if seconds <= 0:
        return no_energy(f"the run took {seconds:g} s")
    power = Measurement(name="power_w", value=joules / seconds, unit="W", source=source, detail=detail)
    if inferences <= 0:
        rest = [one for one in no_energy("no inference ended") if one.name != "power_w"]
        return [power, *rest]
    each = joules / inferences
    told = f"{joules:.4g} J in {seconds:.3g} s for {inferences} inferences; {detail}"
    return [
        Measurement(name="energy_j", value=each, unit="J", source=source, detail=told),
        _net(joules, seconds, inferences, setting.idle_w, source),
        power,
        _carbon(each, setting, source),
    ]


def _net(joules: float, seconds: float, inferences: int, idle_w: float | None, source: str) -> Measurement:
    if idle_w is None:
        return not_measured("energy_net_j", "J", _NO_IDLE)
    net = (joules - idle_w * seconds) / inferences
    detail = f"beyond {idle_w:.3g} W when idle"
    return Measurement(name="energy_net_j", value=net, unit="J", source=source, detail=detail)


def _carbon(joules: float, setting: MeterSetting, source: str) -> Measurement:
    try:
        prices = read_prices(setting.price_table)
        grid = prices.grid(setting.host_class)
    except Unpriced as error:
        return not_measured("co2_g_per_1k", "g", str(error))
    grams = co2_g_per_1k(joules, grid.g_per_kwh, grid.pue)
    detail = explain_co2(joules, grid.g_per_kwh, grid.region, grid.pue, prices.identity)
    return Measurement(name="co2_g_per_1k", value=grams, unit="g", source=source, detail=detail)
