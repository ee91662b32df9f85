"""What 1,000 inferences cost.

    cost_per_1k = price an hour / (3600 x throughput) x 1000

The price of the whole host is charged to the run, at the throughput that the run had: at a rate below the peak the
unused rest is paid for too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from profiler_agent.meters import _prices
from profiler_agent.meters.base import MeterSetting, Reading, not_measured
from profiler_agent.work import InvalidReason, Measurement

_NAME = "cost_per_1k"


@dataclass(frozen=True, slots=True)
class CostMeter:
    """Time, and the price table."""

    clock: Callable[[], int] = time.monotonic_ns
    name: str = "costs"

    def start(self, setting: MeterSetting) -> Reading:
        return _CostReading(self, setting, self.clock())


@dataclass(frozen=True, slots=True)
class _CostReading:
    meter: CostMeter
    setting: MeterSetting
    began_ns: int

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        seconds = (self.meter.clock() - self.began_ns) / 1e9
        try:
            price = _prices.read_prices(self.setting.price_table).price(self.setting.host_class)
        except _prices.Unpriced as error:
            return [not_measured(_NAME, "USD", str(error))], ()
        if inferences <= 0 or seconds <= 0:
            return [not_measured(_NAME, "USD", "no inference ended")], ()
        throughput = inferences / seconds
        detail = f"{price.usd_per_hour:g} USD/h ({price.reason}) / (3600 x {throughput:.4g}/s) x 1000"
        value = price.usd_per_hour / (3600 * throughput) * 1000
        return [Measurement(name=_NAME, value=value, unit="USD", source="price_table", detail=detail)], ()


METER = CostMeter()
