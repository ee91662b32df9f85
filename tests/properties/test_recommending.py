"""What a recommendation promises, on made-up candidates."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from msearch_deployment import Candidate, Figure, Limit, Measured, Wish, dominates, merit, recommend
from msearch_deployment.choosing import PREFERENCES

HOSTS = ("arm-1", "xeon-1", "xeon-2")
PRICES = {"xeon-1": 0.2, "xeon-2": 0.5}
LOADS = {"server:100": True, "find_peak:20": True, "single_stream": False}
few = st.integers(1, 6).map(float)


@st.composite
def figures(draw: st.DrawFn, load: str) -> dict[str, Figure]:
    found = {}
    names = ["p99_ms", "throughput_per_s", "peak_memory_bytes", "energy_j", "accuracy_loss"]
    for name in [*names, *(["peak_rate_per_s"] if load.startswith("find_peak") else [])]:
        if draw(st.integers(0, 5)):
            value = draw(few) * (0.01 if name == "accuracy_loss" else 10.0)
            spread = draw(st.sampled_from([0.0, 0.1]))
            found[name] = Figure(value, value * (1 - spread), value * (1 + spread))
    return found


@st.composite
def a_profile(draw: st.DrawFn) -> Measured:
    load = draw(st.sampled_from(list(LOADS)))
    return Measured(
        profile_id="p", variant=draw(st.sampled_from(["onnxruntime fp32", "openvino int8_static"])), backend="b",
        batch_size=1, host_class=draw(st.sampled_from(HOSTS)), load=load, open_loop=LOADS[load],
        joined=draw(st.sampled_from(["", "batch=8"])), figures=draw(figures(load)),
    )  # fmt: skip


@st.composite
def some_candidates(draw: st.DrawFn) -> tuple[Candidate, ...]:
    profiles = st.lists(a_profile(), max_size=6)
    accuracies = st.one_of(st.none(), st.integers(1, 9).map(lambda tenths: Figure(tenths / 10, tenths / 10 - 0.05)))
    return tuple(
        Candidate(model_id=f"m{place}", name=f"m{place}@1", place=place, accuracy=accuracy, measured=tuple(measured))
        for place, (accuracy, measured) in enumerate(draw(st.lists(st.tuples(accuracies, profiles), max_size=5)), 1)
    )


def a_limit() -> st.SearchStrategy[Limit]:
    measured = st.sampled_from(["p99_ms", "energy_j", "peak_memory_bytes"])
    return st.one_of(
        st.builds(Limit, measured, st.just(True), few.map(lambda x: 10 * x)),
        st.builds(Limit, st.just("usd_per_hour"), st.just(True), few),
        st.builds(Limit, st.just("throughput_per_s"), st.just(False), few.map(lambda x: 10 * x)),
        st.builds(Limit, st.just("accuracy"), st.just(False), st.integers(1, 9).map(lambda tenths: tenths / 10)),
    )  # fmt: skip


wishes = st.builds(
    Wish,
    limits=st.lists(a_limit(), max_size=4).map(tuple),
    load=st.sampled_from(["", "server:100"]),
    host_class=st.sampled_from(["", "xeon", "xeon-1"]),
    rate_per_s=st.one_of(st.none(), few.map(lambda x: 40 * x)),
    cautious=st.booleans(),
    prefer=st.sampled_from(PREFERENCES),
)


def ask(candidates: tuple[Candidate, ...], wish: Wish, top: int = 100):
    return recommend(candidates, wish, price_of=PRICES.get, top=top)


@given(some_candidates(), wishes)
def test_a_recommended_configuration_meets_every_limit(candidates, wish) -> None:
    for one in ask(candidates, wish).best:
        for limit in wish.limits:
            figure = one.figures[limit.quantity]
            assert limit.holds(figure.worst(lower_is_better=limit.at_most) if wish.cautious else figure.value)
        assert one.measured.host_class.startswith(wish.host_class)
        assert wish.load in ("", one.measured.load)
        if wish.rate_per_s is not None:
            assert one.replicas * one.capacity.per_s * (1 - wish.headroom) >= wish.rate_per_s * (1 - 1e-6)
            assert one.replicas == 1 or (one.replicas - 1) * one.capacity.per_s * (1 - wish.headroom) < wish.rate_per_s


@given(some_candidates(), wishes, st.data())
def test_relaxing_a_limit_never_makes_the_answer_worse(candidates, wish, data) -> None:
    if not wish.limits:
        return
    index = data.draw(st.integers(0, len(wish.limits) - 1))
    limit = wish.limits[index]
    factor = data.draw(st.sampled_from([1.0, 1.5, 4.0, None]))
    looser = [] if factor is None else [replace(limit, value=limit.value * (factor if limit.at_most else 1 / factor))]
    relaxed = replace(wish, limits=(*wish.limits[:index], *looser, *wish.limits[index + 1 :]))
    before, after = ask(candidates, wish), ask(candidates, relaxed)
    assert after.fitting >= before.fitting
    if before.best:
        assert merit(after.best[0], wish.prefer) <= merit(before.best[0], wish.prefer)


@given(some_candidates(), wishes)
def test_no_configuration_stands_above_one_that_dominates_it(candidates, wish) -> None:
    best = ask(candidates, wish).best
    for place, one in enumerate(best):
        assert not any(dominates(other, one) for other in best[place + 1 :])


@given(some_candidates(), wishes)
def test_a_binding_limit_would_have_changed_the_answer_and_a_smaller_change_would_not(candidates, wish) -> None:
    answer = ask(candidates, wish)
    best = merit(answer.best[0], wish.prefer) if answer.best else None
    bound = {change.limit: change for change in answer.binding}
    for limit in set(wish.limits):
        loosest = replace(limit, value=1e9 if limit.at_most else -1e9)
        without = ask(candidates, replace(wish, limits=tuple(loosest if one == limit else one for one in wish.limits)))
        would = without.best and (best is None or merit(without.best[0], wish.prefer) < best)
        assert bool(would) == (limit in bound)
    for change in answer.binding:
        replaced = tuple(change.relaxed if one == change.limit else one for one in wish.limits)
        again = ask(candidates, replace(wish, limits=replaced)).best[0]
        assert again.key == change.answer.key
        assert best is None or merit(again, wish.prefer) < best
        # Not all the way to the new value is not enough.
        shorter = change.limit.value + 0.999 * (change.relaxed.value - change.limit.value)
        nearly = tuple(replace(one, value=shorter) if one == change.limit else one for one in wish.limits)
        short = ask(candidates, replace(wish, limits=nearly)).best
        assert not short if best is None else merit(short[0], wish.prefer) == best


@given(some_candidates(), wishes)
def test_what_is_to_be_relaxed_where_nothing_fits_is_enough(candidates, wish) -> None:
    answer = ask(candidates, wish)
    if answer.nearest is None:
        return
    assert not answer.best
    assert answer.nearest.relax
    new = dict(answer.nearest.relax)
    relaxed = replace(wish, limits=tuple(new.get(limit, limit) for limit in wish.limits))
    assert answer.nearest.configuration.key in [one.key for one in ask(candidates, relaxed).best]
    assert answer.nearest.excess == max(
        limit.excess(answer.nearest.configuration.judged(limit, cautious=wish.cautious)) for limit in wish.limits
    )


@given(some_candidates(), wishes)
def test_the_answer_does_not_depend_on_the_order_of_the_candidates(candidates, wish) -> None:
    forwards, backwards = ask(candidates, wish, top=3), ask(candidates[::-1], wish, top=3)
    assert [one.key for one in forwards.best] == [one.key for one in backwards.best]
    assert [change.limit for change in forwards.binding] == [change.limit for change in backwards.binding]


@given(some_candidates(), wishes)
def test_every_model_is_recommended_judged_or_listed_as_untold(candidates, wish) -> None:
    answer = ask(candidates, wish)
    untold = {one.candidate.model_id for one in answer.untold}
    assert not untold & {one.candidate.model_id for one in answer.best}
    if answer.nearest is not None:
        assert answer.nearest.configuration.candidate.model_id not in untold
