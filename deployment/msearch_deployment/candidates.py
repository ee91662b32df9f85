"""What a recommendation chooses from: models with the accuracy expected of them, and what was measured of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Origin(StrEnum):
    """Where a figure comes from. A prediction never passes for a measurement, nor a claim for either."""

    MEASURED = "measured"
    PREDICTED = "predicted"
    CLAIMED = "claimed"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with the ends of its interval, where it has one, in the unit of its quantity."""

    value: float
    low: float | None = None
    high: float | None = None
    origin: Origin = Origin.MEASURED

    def worst(self, *, lower_is_better: bool) -> float:
        """The end of the interval that is worse; the value itself without one."""
        end = self.high if lower_is_better else self.low
        return self.value if end is None else end


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A VALID profile of an offered variant, or a prediction of one.

    Args:
        profile_id: of the profile; "" for a prediction.
        variant: its short text, as in "onnxruntime int8_static batch=8".
        backend: its backend.
        batch_size: samples a call takes.
        host_class: where it was measured.
        load: short text of the load, as in "server:100".
        open_loop: requests came at their own times, so that latencies include waiting.
        joined: how requests were joined into batches in front of the model; "" for not at all.
        arrivals: the pattern that they came in, where the loop was open.
        figures: by quantity.
    """

    profile_id: str
    variant: str
    backend: str
    batch_size: int
    host_class: str
    load: str
    open_loop: bool
    joined: str = ""
    arrivals: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def predicted(self) -> bool:
        """Whether nobody measured it."""
        return any(figure.origin is Origin.PREDICTED for figure in self.figures.values())

    def vouches_for(self, other: Measured) -> bool:
        """Whether a rate that this one kept is one that the other can keep: served alike, asked alike."""
        if (self.variant, self.host_class, self.joined) != (other.variant, other.host_class, other.joined):
            return False
        return not (self.open_loop and other.open_loop) or self.arrivals == other.arrivals

    def with_figures(self, figures: Mapping[str, Figure]) -> Measured:
        """The same with these figures."""
        return replace(self, figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that could be deployed.

    Args:
        model_id: its id.
        name: its name and version.
        place: in the ranking for the data, from 1.
        accuracy: what is expected of it on the data, in [0, 1]; None if nobody knows.
        measured: its profiles, newest first.
    """

    model_id: str
    name: str
    place: int
    accuracy: Figure | None = None
    measured: tuple[Measured, ...] = ()
