"""Latencies that nobody measured, for a recommendation: from the profiles of other models in the same form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msearch_client._graph_work import QUANTITIES, GraphWork, work_of_profiles
from msearch_client._loads import Scenario
from msearch_client._profiles import Profile
from msearch_client._variants import Precision, Variant
from msearch_deployment import Candidate, Figure, Measured, Origin
from msearch_deployment.latency import Case, LatencyPredictor, Machine, Observation, Unpredictable

WEIGHT_BYTES = {
    Precision.FP32: 4.0, Precision.BF16: 2.0, Precision.FP16: 2.0, Precision.INT8_DYNAMIC: 1.0,
    Precision.INT8_STATIC: 1.0,
}  # fmt: skip
USUAL = ("p50_ms", "p99_ms")
_OPEN = (Scenario.SERVER, Scenario.FIND_PEAK)


@dataclass(frozen=True, slots=True)
class Foretold:
    """Candidates with predictions after their profiles, how many there are, and why others could not be made."""

    candidates: tuple[Candidate, ...]
    count: int
    reasons: tuple[str, ...]


def predict_missing(
    candidates: Sequence[Candidate],
    graphs: Mapping[str, GraphWork],
    profiles: Mapping[str, Sequence[Profile]],
    evidence: Iterable[Profile],
    *,
    load: str,
    quantities: Iterable[str],
    host_class: str,
) -> Foretold:
    """Adds a prediction wherever a candidate was not measured in a form and on a host class that others were.

    Args:
        candidates: of the recommendation.
        graphs: what the graph of each takes, by model id.
        profiles: of each candidate by model id: what was measured needs no prediction, nor what was rejected.
        evidence: VALID profiles of any model under `load`.
        load: its short text.
        quantities: response latencies that limits are about; the p50 and the p99 are always tried.
        host_class: host classes that begin so.

    Only fp32 is predicted: what another precision loses in accuracy must be measured.
    """
    book = _Book([profile for profile in evidence if profile.load_text == load])
    wanted = tuple(dict.fromkeys((*USUAL, *quantities)))
    reasons: dict[str, None] = {}
    forms = [(variant, machine) for variant, machine in book.forms(host_class) if variant.precision is Precision.FP32]
    if not forms:
        where = f" on {host_class}" if host_class else ""
        reasons.setdefault(
            f"no latency is predicted: nothing was measured in fp32 under {load}{where} with known peaks"
        )
    found, count = [], 0
    for candidate in candidates:
        graph = graphs[candidate.model_id]
        if graph.work is None:
            reasons.setdefault(graph.reason)
            found.append(candidate)
            continue
        own = profiles.get(candidate.model_id, ())
        measured = {(str(one.variant), one.host_class) for one in own if one.load_text == load}
        predicted = []
        for variant, machine in forms:
            if (str(variant), machine.host_class) in measured:
                continue
            case = Case(model=candidate.name, work=graph.work, machine=machine, batch=variant.batch_size)
            figures = {}
            for quantity in wanted:
                try:
                    figures[quantity] = book.predict(variant, quantity, case)
                except Unpredictable as error:
                    reasons.setdefault(f"{quantity} of {variant} cannot be predicted: {error}")
            if figures:
                known = {name: Figure(getattr(graph.work, name)) for name in QUANTITIES}
                predicted.append(
                    Measured(
                        profile_id="", variant=str(variant), backend=variant.backend, batch_size=variant.batch_size,
                        host_class=machine.host_class, load=load, open_loop=book.open_loop, figures=figures | known,
                    )
                )  # fmt: skip
        count += len(predicted)
        found.append(replace(candidate, measured=(*candidate.measured, *predicted)))
    return Foretold(tuple(found), count, tuple(reasons))


class _Book:
    """Predictors by form and quantity, each fitted once."""

    def __init__(self, evidence: Sequence[Profile]) -> None:
        self._evidence = [profile for profile in evidence if _on_a_cpu(profile.variant)]
        self._machines = _machines(self._evidence)
        self._predictors: dict[tuple[Variant, str], LatencyPredictor | Unpredictable] = {}
        self.open_loop = any(profile.load.scenario in _OPEN for profile in self._evidence)

    def forms(self, host_class: str) -> Iterator[tuple[Variant, Machine]]:
        """Every variant and host class that something was measured in, in the order of their names."""
        found: dict[tuple[str, str], tuple[Variant, Machine]] = {}
        for profile in self._evidence:
            machine = self._machine_of(profile)
            if machine is not None and profile.host_class.startswith(host_class):
                found.setdefault((str(profile.variant), profile.host_class), (profile.variant, machine))
        yield from (found[key] for key in sorted(found))

    def predict(self, variant: Variant, quantity: str, case: Case) -> Figure:
        """Raises Unpredictable."""
        form = replace(variant, batch_size=1)
        key = (form, quantity)
        if key not in self._predictors:
            try:
                self._predictors[key] = LatencyPredictor(list(self._observations(form, quantity)))
            except Unpredictable as error:
                self._predictors[key] = error
        predictor = self._predictors[key]
        if isinstance(predictor, Unpredictable):
            raise predictor
        told = predictor.predict(case)
        return Figure(told.latency_ms, told.low_ms, told.high_ms, Origin.PREDICTED)

    def _observations(self, form: Variant, quantity: str) -> Iterator[Observation]:
        for profile in self._evidence:
            if replace(profile.variant, batch_size=1) != form:
                continue
            work, machine, value = work_of_profiles([profile]), self._machine_of(profile), profile.value(quantity)
            if work is None or machine is None or value is None or value <= 0:
                continue
            case = Case(
                model=profile.model_name, work=work, machine=machine, batch=profile.variant.batch_size,
                weight_bytes=WEIGHT_BYTES[form.precision],
            )  # fmt: skip
            yield Observation(case, value)

    def _machine_of(self, profile: Profile) -> Machine | None:
        return self._machines.get((profile.host_class, profile.variant.threads))


def _machines(evidence: Iterable[Profile]) -> dict[tuple[str, int], Machine]:
    """The best peaks of each host class, by threads: other work on a host only ever lowers what an agent measures."""
    found: dict[tuple[str, int], Machine] = {}
    for profile in evidence:
        machine = _machine_of(profile)
        if machine is None:
            continue
        key = (profile.host_class, profile.variant.threads)
        best = found.get(key, machine)
        found[key] = Machine(
            host_class=profile.host_class,
            gflop_per_s=max(best.gflop_per_s, machine.gflop_per_s),
            gb_per_s=max(best.gb_per_s, machine.gb_per_s),
        )
    return found


def _on_a_cpu(variant: Variant) -> bool:
    return variant.device in ("", "cpu")


def _machine_of(profile: Profile) -> Machine | None:
    """The measured peaks of the profile's host with as many threads as the variant has, or the next fewer."""
    peaks = profile.host.get("peaks", ())
    try:
        usable = [one for one in peaks if int(one["threads"]) <= max(profile.variant.threads, 1)]
        best = max(usable, key=lambda one: int(one["threads"]))
        return Machine(
            host_class=profile.host_class,
            gflop_per_s=float(best["gflop_per_s"]),
            gb_per_s=float(best["gb_per_s"]),
        )
    except (KeyError, TypeError, ValueError):
        return None  # an agent that measured none, or another program's words
