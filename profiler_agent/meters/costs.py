"""What 1,000 inferences cost, by the host's price table and the throughput that the run had (docs/costs.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msearch_deployment.prices import Unpriced, cost_per_1k, explain_cost, read_prices
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
            prices = read_prices(self.setting.price_table)
            price = prices.price(self.setting.host_class)
        except Unpriced as error:
            return [not_measured(_NAME, "USD", str(error))], ()
        if inferences <= 0 or seconds <= 0:
            return [not_measured(_NAME, "USD", "no inference ended")], ()
        throughput = inferences / seconds
        detail = explain_cost(price.usd_per_hour, price.reason, throughput, prices.identity)
        value = cost_per_1k(price.usd_per_hour, throughput)
        return [Measurement(name=_NAME, value=value, unit="USD", source="price_table", detail=detail)], ()


METER = CostMeter()
