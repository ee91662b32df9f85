"""Price tables: what the check finds, which table a figure comes from, and costs computed anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from msearch_client import LocalError, PriceTable
from msearch_client._wire.profiles import profile_from_proto
from msearch_client.cli.prices import app
from msearch_client.cli.program import Program
from msearch_deployment import Candidate, Figure, Measured
from msearch_deployment.prices import (
    SHIPPED,
    Prices,
    Unpriced,
    as_stored,
    check,
    cost_per_1k,
    explain_co2,
    explain_cost,
    find_hourly_price,
    find_identity,
    read_prices,
    reprice,
)
from tests.docs.blocks import fenced
from tests.fake_agent import a_profile

EMBER = "\n[sources]\nember = { title = 'a', date = '2026-01-01' }"
HOST = "xeon-8481c-2cpu-24gib-abcdef"


def table(folder: Path, text: str) -> Prices:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return read_prices(path)


def measured(host: str = HOST, **values: float) -> Candidate:
    profile = Measured(
        profile_id="p", variant="onnxruntime fp32", backend="onnxruntime", batch_size=1, host_class=host,
        load="server:100", open_loop=True, figures={name: Figure(value) for name, value in values.items()},
    )  # fmt: skip
    return Candidate(model_id=f"m-{host}", name="m", place=1, measured=(profile,))


def test_the_shipped_table_and_the_one_of_the_page_are_sound_and_traced(tmp_path: Path) -> None:
    assert check(read_prices(SHIPPED)) == ()
    example = table(tmp_path, fenced("docs/costs.md", "toml")[0])
    assert check(example) == ()
    assert example.price("").usd_per_hour == 0.21
    assert example.price(HOST, here=False).usd_per_hour == 0.1785
    assert (example.grid(HOST, here=False).g_per_kwh, example.grid(HOST, here=False).pue) == (381, 1.2)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("[here]\nusd_per_hour = 'much'", "here.usd_per_hour", "must be a number of at least 0, not 'much'"),
        ("[here]\nusd_per_hours = 1", "here.usd_per_hours", "did you mean usd_per_hour?"),
        ("[instances]\na = {}", "instances.a.usd_per_hour", "must be a number"),
        ("[instances]\na = 3", "instances.a", "must be a table"),
        ("[here]\nregion = 'DEU'\n[regions]\nDE = { g_per_kwh = 1 }", "here.region", "did you mean DE?"),
        ("[regions]\nDE = { g_per_kwh = 1, source = 'emer' }" + EMBER, "regions.DE.source", "did you mean ember?"),
        ("[data_centres]\na = { pue = 0.9 }", "data_centres.a.pue", "so >= 1"),
        ("[instance]\na = 3", "instance", "did you mean instances?"),
        ("instances = 3", "instances", "must be a table"),
        ("date = '26.11.2026'", "date", "is no date of the form"),
        ("[sources]\na = { title = 'x', date = '2026-13-01' }", "sources.a.date", "is no date"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, text: str, place: str, told: str) -> None:
    wrong = [problem for problem in check(table(tmp_path, text)) if problem.wrong]
    assert [problem.place for problem in wrong] == [place]
    assert told in wrong[0].text
    with pytest.raises(LocalError, match="is wrong: "):
        PriceTable(tmp_path / "prices.toml")


def test_what_cannot_be_traced_is_noted_and_can_be_used(tmp_path: Path) -> None:
    problems = check(table(tmp_path, "[here]\nusd_per_hour = 1\n[sources]\na = {}\n"))
    assert [(one.place, one.wrong) for one in problems] == [
        ("date", False), ("sources.a", False), ("sources.a", False), ("here", False),
    ]  # fmt: skip
    assert "has no source" in problems[-1].text


def test_here_is_about_the_agents_host_and_no_other(tmp_path: Path) -> None:
    prices = table(tmp_path, "[here]\nusd_per_hour = 1\ng_per_kwh = 5\n")
    assert prices.price(HOST).usd_per_hour == 1
    with pytest.raises(Unpriced, match=r"add it to \[host_classes\]"):
        prices.price(HOST, here=False)
    with pytest.raises(Unpriced, match=r"where the electricity of xeon"):
        prices.grid(HOST, here=False)


def test_an_edit_makes_it_another_table(tmp_path: Path) -> None:
    first = table(tmp_path, "date = '2026-01-02'\n[here]\nusd_per_hour = 1\n").identity
    second = table(tmp_path, "date = '2026-01-02'\n[here]\nusd_per_hour = 2\n").identity
    assert first.startswith("[prices 2026-01-02 ")
    assert first != second
    assert find_identity(explain_cost(1.0, "host class [x]", 3.0, first)) == first
    assert find_identity(explain_co2(1.0, 2.0, "DE", 1.2, second)) == second
    assert find_hourly_price(explain_cost(0.35, "here.usd_per_hour", 3.0, first)) == 0.35
    assert find_hourly_price(explain_cost(1e-7, "x", 3.0, first)) == 1e-7
    assert find_hourly_price(explain_co2(1.0, 2.0, "DE", 1.2, second)) is None
    assert find_identity("0.35 USD/h (here.usd_per_hour) / (3600 x 4/s) x 1000") == ""


@given(st.floats(0.001, 100), st.floats(0.01, 1e5))
def test_the_hourly_price_follows_from_what_was_stored(price: float, throughput: float) -> None:
    stored = measured(throughput_per_s=throughput, cost_per_1k=cost_per_1k(price, throughput))
    assert as_stored([stored], ["[prices a 00000000]"]).usd_per_hour[HOST] == pytest.approx(price)


def test_the_hourly_price_that_a_profile_says_comes_first() -> None:
    stored = measured(throughput_per_s=100, cost_per_1k=cost_per_1k(0.5, 101))
    assert as_stored([stored], ["[prices a 00000000]"], {HOST: 0.5}).usd_per_hour == {HOST: 0.5}


def test_stored_costs_of_several_tables_are_never_mixed() -> None:
    both = [measured(throughput_per_s=10, cost_per_1k=1, energy_j=2, co2_g_per_1k=3), measured("arm")]
    priced = as_stored(both, ["[prices a 00000000]", "[prices b 00000000]"])
    assert priced.usd_per_hour == {}
    assert set(priced.candidates[0].measured[0].figures) == {"throughput_per_s", "energy_j"}
    assert "come from 2 price tables" in priced.notices[0]


def test_costs_by_another_table_replace_the_stored_ones(tmp_path: Path) -> None:
    prices = table(tmp_path, "[host_classes]\nxeon = { usd_per_hour = 0.72, g_per_kwh = 381, pue = 1.2 }\n")
    known = measured(throughput_per_s=200, energy_j=3.6, cost_per_1k=9, co2_g_per_1k=9)
    priced = reprice([known, measured("arm", throughput_per_s=1, cost_per_1k=9)], prices)
    xeon, arm = (one.measured[0].figures for one in priced.candidates)
    assert (xeon["cost_per_1k"].value, xeon["co2_g_per_1k"].value) == pytest.approx((0.001, 0.001 * 381 * 1.2))
    assert "cost_per_1k" not in arm
    assert priced.usd_per_hour == {HOST: 0.72}
    assert len(priced.notices) == 1
    assert priced.notices[0].startswith("prices.toml does not say what an hour of arm costs: add it to [host_classes]")


def test_the_sdk_prices_profiles_anew(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("[host_classes]\nxeon = { usd_per_hour = 0.72 }\n", encoding="utf-8")
    message = a_profile(host_class=HOST)
    message.measurements.add(name="throughput_per_s", value=200, unit="1/s", source="requests")
    message.measurements.add(
        name="cost_per_1k", value=7, unit="USD", source="price_table", detail="[prices a 00000000]"
    )
    (profile,) = PriceTable(path).reprice([profile_from_proto(message)])
    cost = profile.measurement("cost_per_1k")
    assert cost.value == pytest.approx(0.001)
    assert cost.detail.endswith(PriceTable(path).identity)
    carbon = profile.measurement("co2_g_per_1k")
    assert (carbon.value, carbon.source) == (None, "none")
    assert "where the electricity" in carbon.detail


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    program = typer.Typer(cls=Program)
    program.add_typer(app, name="prices")
    program.callback()(lambda: None)
    with pytest.raises(SystemExit) as ended:
        program(["prices", *words], prog_name="msearch-cli")
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_show_prints_figures_sources_and_formulas(capsys, monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    code, out, _ = run(capsys, "show")
    assert code == 0
    assert "cost_per_1k = price an hour / (3600 x throughput) x 1000" in out
    assert "c7i.xlarge  0.1785  USD/h  ec2" in out
    document = json.loads(run(capsys, "show", "--json")[1])
    assert document["sources"]["ember"]["date"] == "2026-11-25"
    assert {"section": "data_centres", "name": "amazon", "value": 1.14, "unit": "PUE", "source": "amazon"} in document[
        "figures"
    ]


def test_show_says_what_hosts_cost_by_a_table_of_ones_own(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    path = tmp_path / "mine.toml"
    path.write_text("date = 2026-11-26\n[host_classes]\nxeon = { usd_per_hour = 0.5 }\n", encoding="utf-8")
    code, out, _ = run(capsys, "show", str(path))
    assert code == 0, "also where no instance, region or data centre has a name"
    assert "xeon...                    0.5  host class xeon" in out
    (here, xeon) = json.loads(run(capsys, "show", str(path), "--json")[1])["hosts"]
    assert (here["usd_per_hour"], xeon["usd_per_hour"], xeon["pue"]) == (None, 0.5, None)


def test_check_fails_on_a_wrong_table_and_says_where(capsys, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[here]\nusd_per_hour = -1\n", encoding="utf-8")
    code, out, err = run(capsys, "check", str(path))
    assert code == 1
    assert "wrong: here.usd_per_hour: must be a number of at least 0, not -1" in out
    assert err.startswith("error: 1 place of ")
    path.write_text("[here]\nusd_per_hour = 1\n", encoding="utf-8")
    code, out, _ = run(capsys, "check", str(path))
    assert code == 0
    assert "note: here: has no source" in out


@pytest.mark.parametrize("content", [b"[here", b"\xff\xfe", b"host_classes = 3\n"])
def test_a_table_that_cannot_be_read_is_an_error_without_traceback(capsys, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    for command in ("show", "check"):
        code, _, err = run(capsys, command, str(path))
        assert code == 1
        assert "mine.toml" in err
        assert "Traceback" not in err
    assert run(capsys, "show", str(tmp_path / "none.toml"))[0] == 1
