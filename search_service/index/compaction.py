"""When to merge which segments: tiers of geometrically growing size, as in a log-structured merge tree."""

from __future__ import annotations

from collections.abc import Sequence


def plan_merge(sizes: Sequence[int], fan: int, most: int) -> list[int]:
    """Positions of the segments to merge into one now, smallest first; empty if nothing is due.

    A segment of s sources is of tier floor(log_fan s). As soon as a tier holds `fan` segments they are merged, with all
    smaller ones, as far as the result has at most `most` sources; those above half of that are full and stay as they
    are. So a source is rewritten about log_fan(most) times, and there are O(fan log_fan(most) + n / most) segments.
    """
    open_positions = sorted(
        (position for position, size in enumerate(sizes) if 2 * size <= most), key=sizes.__getitem__
    )
    members: dict[int, int] = {}
    due = 0
    for taken, position in enumerate(open_positions, start=1):
        tier = _tier(sizes[position], fan)
        members[tier] = members.get(tier, 0) + 1
        if members[tier] >= fan:
            due = taken
    merged = 0
    chosen: list[int] = []
    for position in open_positions[:due]:
        merged += sizes[position]
        if merged > most:
            break
        chosen.append(position)
    return chosen if len(chosen) > 1 else []


def plan_tidying(sizes: Sequence[int], most: int) -> list[int]:
    """Positions of the segments to merge into one in an idle moment, smallest first; empty if there are not two.

    As many of the smallest as have at most `most` sources together: the merge must stay short, and a registry that
    gains a model every second must not have all of its segments rewritten every second.
    """
    chosen: list[int] = []
    merged = 0
    for position in sorted(range(len(sizes)), key=sizes.__getitem__):
        merged += sizes[position]
        if merged > most:
            break
        chosen.append(position)
    return chosen if len(chosen) > 1 else []


def _tier(size: int, fan: int) -> int:
    tier = 0
    while size >= fan:
        size //= fan
        tier += 1
    return tier
