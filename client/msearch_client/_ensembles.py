"""What a suggestion of an ensemble returns."""

from __future__ import annotations

from dataclasses import dataclass

from msearch_client._records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleMember(Record):
    """A model of an ensemble, in the order in which they were taken; all shares are of the target's rows.

    `alone`: what its source covers by itself; `adds`: what it adds to those before it; `routed`: the share of rows that
    lie nearest to its source. `others`: further models of the same source.
    """

    model: str
    model_id: str
    dataset_name: str
    alone: float
    adds: float
    routed: float
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble(Record):
    """Models that cover a target together.

    `covered`: how well they do, from 0 to 1; `best_alone`: how well the best single source does. `routes`: for each row
    that could be read, in order, the position in `members` of the one it lies nearest to; empty for a target of which
    only the signature is at hand. `considered`: how many sources were compared.
    """

    members: tuple[EnsembleMember, ...]
    covered: float
    best_alone: float
    considered: int
    target_rows: int
    routes: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
