"""Recommendations whose answer is known by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from msearch_deployment import Candidate, Figure, Limit, Measured, Origin, Wish, recommend
from msearch_deployment.capacity import find_capacity
from msearch_deployment.configurations import expected_accuracy

HOST = "xeon-1"


def profile(
    id: str = "p", load: str = "server:100", host: str = HOST, variant: str = "onnxruntime fp32", **values: float
) -> Measured:
    return Measured(
        profile_id=id, variant=variant, backend="onnxruntime", batch_size=1, host_class=host, load=load,
        open_loop=load.startswith(("server", "find_peak")),
        figures={name: Figure(value) for name, value in values.items()},
    )  # fmt: skip


def candidate(name: str, accuracy: float | None, *measured: Measured, place: int = 1) -> Candidate:
    figure = None if accuracy is None else Figure(accuracy, accuracy - 0.05, accuracy + 0.05, Origin.PREDICTED)
    return Candidate(model_id=name, name=name, place=place, accuracy=figure, measured=measured)


PEAK = profile("small peak", "find_peak:20", p99_ms=19, peak_rate_per_s=400)
SMALL = candidate("small", 0.80, profile("small", p99_ms=5, throughput_per_s=100), PEAK)
LARGE = candidate("large", 0.90, profile("large", p99_ms=31, throughput_per_s=100), place=2)


def test_the_most_accurate_that_fits_is_best_and_the_limit_in_the_way_is_named() -> None:
    answer = recommend([SMALL, LARGE], Wish(limits=(Limit("p99_ms", True, 20),), load="server:100"))
    assert [one.candidate.name for one in answer.best] == ["small"]
    (change,) = answer.binding
    assert (change.relaxed.value, change.answer.candidate.name) == (31, "large")
    assert answer.nearest is None


def test_replicas_and_cost_follow_from_the_measured_peak_and_the_headroom() -> None:
    wish = Wish(limits=(Limit("p99_ms", True, 20),), load="server:100", rate_per_s=1000, headroom=0.2)
    answer = recommend([SMALL], wish, price_of={HOST: 0.5}.get)
    (best,) = answer.best
    # 400/s at the peak, 320/s of it used: 1000 / 320 = 3.1 replicas.
    assert (best.capacity.per_s, best.capacity.load, best.capacity.at_peak) == (400, "find_peak:20", True)
    assert (best.replicas, best.value("usd_per_hour")) == (4, 2.0)


def test_a_peak_that_breaks_the_limit_vouches_for_nothing() -> None:
    strict = [Limit("p99_ms", True, 10)]
    found = find_capacity(SMALL.measured, strict)
    assert (found.per_s, found.at_peak, found.profile_id) == (100, False, "small")
    closed = profile("closed", "single_stream", p99_ms=1, throughput_per_s=900)
    assert find_capacity([closed], strict) is None
    assert find_capacity([closed], ()).per_s == 900


def test_where_nothing_fits_the_nearest_is_given_with_what_it_needs() -> None:
    limits = (Limit("p99_ms", True, 4), Limit("accuracy", False, 0.95))
    answer = recommend([SMALL, LARGE], Wish(limits=limits, load="server:100"))
    assert answer.best == ()
    assert answer.nearest.configuration.candidate.name == "small"
    assert [(old.value, new.value) for old, new in answer.nearest.relax] == [(4, 5), (0.95, 0.80)]
    assert answer.nearest.excess == pytest.approx(0.25)
    assert answer.binding == ()  # no single one would do


def test_where_nothing_fits_a_single_limit_that_would_do_is_named() -> None:
    answer = recommend([SMALL, LARGE], Wish(limits=(Limit("p99_ms", True, 4),), load="server:100"))
    (change,) = answer.binding
    assert (change.relaxed.value, change.answer.candidate.name) == (5, "small")


def test_a_rate_that_was_kept_otherwise_vouches_for_nothing() -> None:
    plain = profile("plain", p99_ms=5, throughput_per_s=100)
    joined = replace(profile("joined", "server:900,batch=8", p99_ms=9, throughput_per_s=900), joined="batch=8")
    even = replace(profile("even", "server:800,constant", p99_ms=9, throughput_per_s=800), arrivals="constant")
    alone = profile("alone", "single_stream", p99_ms=1, throughput_per_s=700)
    many = candidate("many", 0.9, plain, joined, even, alone)
    limited = recommend([many], Wish(limits=(Limit("p99_ms", True, 20),), load="server:100", rate_per_s=80))
    assert limited.best[0].capacity.profile_id == "plain"
    # Without a limit on latency a closed loop tells the throughput too.
    assert recommend([many], Wish(load="server:100")).best[0].capacity.profile_id == "alone"


def test_a_model_without_the_measurement_is_untold_not_refused() -> None:
    bare = candidate("bare", 0.99, profile(p50_ms=1), place=3)
    unmeasured = candidate("unmeasured", 0.99, place=4)
    answer = recommend([SMALL, bare, unmeasured], Wish(limits=(Limit("p99_ms", True, 20),)))
    assert {(one.candidate.name, one.missing) for one in answer.untold} == {("bare", ("p99_ms",)), ("unmeasured", ())}


def test_a_rate_needs_something_that_vouches_for_it() -> None:
    closed = candidate("closed", 0.99, profile(load="single_stream", p99_ms=1, throughput_per_s=900))
    answer = recommend([closed], Wish(limits=(Limit("p99_ms", True, 20),), rate_per_s=10))
    assert answer.best == ()
    assert answer.untold[0].missing == ("replicas",)


def test_the_newest_profile_of_the_same_counts() -> None:
    newer = candidate("m", 0.5, profile("new", p99_ms=30), profile("old", p99_ms=10))
    assert recommend([newer], Wish(limits=(Limit("p99_ms", True, 20),))).best == ()


def test_caution_judges_by_the_worse_end() -> None:
    wish = Wish(limits=(Limit("accuracy", False, 0.78),), cautious=True)
    assert recommend([SMALL, LARGE], wish).best[0].candidate.name == "large"
    assert "small" not in {one.candidate.name for one in recommend([SMALL, LARGE], wish).best}


def test_a_preference_decides_among_what_fits() -> None:
    wish = Wish(limits=(Limit("accuracy", False, 0.7),), load="server:100", prefer="p99_ms")
    assert [one.candidate.name for one in recommend([LARGE, SMALL], wish).best] == ["small", "large"]
    with pytest.raises(ValueError, match="cannot prefer 'speed'; choose one of accuracy, usd_per_hour"):
        recommend([SMALL], Wish(prefer="speed"))


def test_a_variant_is_charged_what_it_loses() -> None:
    accuracy = Figure(0.9, 0.85, 0.95, Origin.PREDICTED)
    lossy = expected_accuracy(accuracy, Figure(0.02, None, 0.03))
    assert (lossy.value, lossy.low, lossy.high) == pytest.approx((0.88, 0.82, 0.93))
    assert lossy.origin is Origin.PREDICTED
    assert expected_accuracy(accuracy, Figure(-0.02, None, 0.0)) == accuracy
    assert expected_accuracy(None, Figure(0.1)) is None


@pytest.mark.parametrize(
    "wrong", [{"rate_per_s": 0.0}, {"rate_per_s": float("inf")}, {"headroom": 1.0}, {"headroom": -0.1}]
)
def test_a_wish_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"the (rate|headroom)"):
        Wish(**wrong)


def test_a_limit_must_be_a_number() -> None:
    with pytest.raises(ValueError, match="p99_ms must be a finite number"):
        Limit("p99_ms", True, float("nan"))
