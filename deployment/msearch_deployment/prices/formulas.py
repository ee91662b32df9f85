"""What inferences cost and emit.

    cost_per_1k = price an hour / (3600 x throughput) x 1000
    co2_g_per_1k = 1000 x J / 3.6e6 x carbon intensity (g/kWh) x PUE

The price of the whole host is charged at the throughput that it had: at a rate below the peak the unused rest is paid
for too.
"""

from __future__ import annotations

SECONDS_AN_HOUR = 3600.0
JOULES_A_KWH = 3.6e6


def cost_per_1k(usd_per_hour: float, throughput_per_s: float) -> float:
    """US dollars of 1,000 inferences. Raises ValueError unless the throughput is above 0."""
    if not throughput_per_s > 0:
        raise ValueError(f"the throughput must be above 0, not {throughput_per_s:g}/s")
    return usd_per_hour / (SECONDS_AN_HOUR * throughput_per_s) * 1000


def co2_g_per_1k(energy_j: float, g_per_kwh: float, pue: float) -> float:
    """Grams of CO2 of 1,000 inferences that take `energy_j` each."""
    return 1000 * energy_j / JOULES_A_KWH * g_per_kwh * pue


def explain_cost(usd_per_hour: float, reason: str, throughput_per_s: float, identity: str) -> str:
    """The formula with its numbers."""
    return f"{usd_per_hour:g} USD/h ({reason}) / (3600 x {throughput_per_s:.4g}/s) x 1000 {identity}"


def explain_co2(energy_j: float, g_per_kwh: float, region: str, pue: float, identity: str) -> str:
    """The formula with its numbers."""
    return f"1000 x {energy_j:.4g} J / 3.6e6 x {g_per_kwh:g} g/kWh ({region}) x PUE {pue:g} {identity}"
