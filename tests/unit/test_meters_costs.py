"""What an hour costs, from tables that people edit."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from msearch_deployment.prices import SHIPPED, Unpriced, find_identity, read_prices
from profiler_agent.meters.base import MeterSetting
from profiler_agent.meters.costs import CostMeter
from tests.replayed_meters import HandDriven, measured


def table(folder: Path, content: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(content)
    return path


def cost(path: Path | None, host_class: str = "xeon-8481c-2cpu-24gib-abcdef", inferences: int = 2000) -> object:
    hand = HandDriven()
    setting = MeterSetting(device="cpu", price_table=path, host_class=host_class)
    found, reasons = measured(CostMeter(hand.clock), setting, lambda: hand.pass_time(10), inferences)
    assert reasons == []
    return found["cost_per_1k"]


def test_cost_and_its_formula(tmp_path: Path) -> None:
    path = table(tmp_path, "[here]\nusd_per_hour = 0.72\n")
    one = cost(path)
    # 200 a second: 1,000 take 5 s of an hour.
    assert one.value == pytest.approx(0.72 * 5 / 3600)
    assert (one.unit, one.source) == ("USD", "price_table")
    assert one.detail.startswith("0.72 USD/h (here.usd_per_hour) / (3600 x 200/s) x 1000 [prices undated ")
    assert find_identity(one.detail) == read_prices(path).identity


def test_prices_by_instance_and_by_the_longest_fitting_class(tmp_path: Path) -> None:
    classes = '[host_classes]\nxeon = { usd_per_hour = 1 }\n"xeon-8481c-2cpu" = { usd_per_hour = 2 }\n'
    by_class = read_prices(table(tmp_path, classes))
    assert by_class.price("xeon-8481c-2cpu-24gib-abcdef").usd_per_hour == 2
    assert by_class.price("xeon-8481c-4cpu-24gib-abcdef").usd_per_hour == 1
    with pytest.raises(Unpriced, match=r"set here\.usd_per_hour in .*prices\.toml"):
        by_class.price("epyc-9b14-2cpu-8gib-abcdef")
    (tmp_path / "b").mkdir()
    by_instance = read_prices(
        table(tmp_path / "b", '[here]\ninstance = "a.b"\n[instances]\n"a.b" = { usd_per_hour = 3 }\n')
    )
    assert by_instance.price("anything").usd_per_hour == 3


def test_an_edited_table_is_read_again(tmp_path: Path) -> None:
    path = table(tmp_path, "[here]\nusd_per_hour = 1\n")
    assert read_prices(path).price("x").usd_per_hour == 1
    path.write_text("[here]\nusd_per_hour = 2\n")
    assert read_prices(path).price("x").usd_per_hour == 2


def test_the_shipped_table_prices_no_host_until_it_is_told_which() -> None:
    one = cost(None)
    assert one.source == "none"
    assert "set here.usd_per_hour in" in one.detail


def test_every_example_of_the_shipped_table_can_be_used(tmp_path: Path) -> None:
    content = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert content["date"]
    for name in content["instances"]:
        text = SHIPPED.read_text(encoding="utf-8").replace("\n[here]", f'\n[here]\ninstance = "{name}"')
        assert read_prices(table(tmp_path, text)).price("").usd_per_hour > 0
    for name in content["regions"]:
        text = SHIPPED.read_text(encoding="utf-8").replace("\n[here]", f'\n[here]\nregion = "{name}"')
        path = table(tmp_path, text)
        assert (read_prices(path).grid().region, read_prices(path).grid().pue) == (name, 1.0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[here]\nusd_per_hour = 'much'", "must be a number of at least 0, not 'much'"),
        ("[here]\nusd_per_hour = -1", "must be a number of at least 0, not -1"),
        ("[here]\nusd_per_hour = true", "must be a number of at least 0, not True"),
        ("[here]\nusd_per_hour = nan", "must be a number of at least 0, not nan"),
        ("[here]\ninstance = 'x9'", "here.instance is 'x9', which [instances]"),
        ("[here]\ninstance = 'a'\n[instances]\na = 3", "instances.a.usd_per_hour"),
        ("here = 3", "[here] in"),
        ("[here", "is not TOML"),
    ],
)
def test_a_wrong_table_is_told_by_its_place(tmp_path: Path, content: str, told: str) -> None:
    one = cost(table(tmp_path, content))
    assert one.source == "none"
    assert told in one.detail
    assert "prices.toml" in one.detail


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[here]\nregion = 'Atlantis'", "here.region is 'Atlantis', which [regions]"),
        ("[here]\ng_per_kwh = 100\npue = 0.9", "so >= 1"),
        ("[here]\ng_per_kwh = 'x'", "must be a number"),
    ],
)
def test_a_wrong_grid_is_told_by_its_place(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(Unpriced) as caught:
        read_prices(table(tmp_path, content)).grid()
    assert told in str(caught.value)


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    one = cost(tmp_path / "none.toml")
    assert "cannot read the price table" in one.detail


def test_nothing_answered_costs_nothing_known(tmp_path: Path) -> None:
    assert cost(table(tmp_path, "[here]\nusd_per_hour = 1\n"), inferences=0).source == "none"
