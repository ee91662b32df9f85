"""Why a profile does not count, or a variant is not offered, in plain words and with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msearch_client import InvalidReason, Offer, Profile
from msearch_client.cli.output import count

# What a rule means for the reader, and what helps.
RULES: dict[str, tuple[str, str]] = {
    "too_short": ("a run was shorter than asked", "raise --max-duration, or lower --min-duration"),
    "too_few_queries": ("a run had fewer requests than asked", "measure longer, or at a higher rate"),
    "too_few_samples": (
        "there were too few requests for the percentile asked for",
        "measure longer: a p99 needs 662 requests",
    ),
    "unsteady": (
        "latency or throughput still changed while it was measured",
        "measure longer, on a quieter host, or below the model's peak rate",
    ),
    "late_generator": (
        "the load generator fell behind its own schedule, so the load was not the one asked for",
        "free a CPU core of the host, use fewer threads, or lower the rate",
    ),
    "rate_missed": (
        "the load generator did not reach the rate asked for",
        "free a CPU core of the host, or lower the rate",
    ),
    "disturbed": ("other programs were busy on the host", "stop them, or measure on another host"),
    "throttled": ("the processor lowered its clock while it was measured", "let it cool down, or fix its clock"),
    "memory_pressure": ("the host was short of memory", "free memory, or measure on a larger host"),
    "littles_law": (
        "requests in flight, throughput and latency contradict each other",
        "measure again; if it stays, the run never settled: lower the rate or measure longer",
    ),
    "in_flight_cap": (
        "so many requests were unanswered that the load was cut off: the model cannot keep up",
        "lower the rate; find_peak finds the largest one that it can serve",
    ),
    "failed_requests": ("requests failed", "see what they say; the model or its server rejects this input or load"),
    "max_duration": ("a run was stopped because it took too long", "raise --max-duration, or ask for fewer requests"),
}


def explain_reason(reason: InvalidReason) -> str:
    """A broken rule in one line: what it means, what was measured, what helps."""
    meaning, advice = RULES.get(reason.rule, ("a rule did not hold that this program does not know", ""))
    text = f"{reason.rule}: {meaning}"
    text += f" ({reason.detail})" if reason.detail else ""
    return f"{text}; {advice}" if advice else text


def explain(profile: Profile) -> Iterator[str]:
    """Why a profile does not count and why its variant is not offered, a line each; nothing if all is well."""
    for reason in profile.reasons:
        yield f"INVALID, {explain_reason(reason)}"
    # That no run counts says no more than the reasons do.
    if profile.offer is Offer.REJECTED and not profile.reasons:
        said = profile.offer_reason.removeprefix("rejected: ")
        yield f"rejected: {said or 'the agent gave no reason'}"


def count_rules(profiles: Iterable[Profile]) -> Iterator[str]:
    """Which rules did not hold in how many of these profiles, a line each, the most frequent first."""
    rules = Counter(rule for profile in profiles for rule in {reason.rule for reason in profile.reasons})
    for rule, number in sorted(rules.items(), key=lambda item: (-item[1], item[0])):
        yield f"INVALID, {count(number, 'profile')}: {explain_reason(InvalidReason(rule, ''))}"


def explain_all(profiles: Iterable[Profile]) -> Iterator[str]:
    """The same for several, each under its variant and load."""
    for profile in profiles:
        lines = list(explain(profile))
        if lines:
            yield f"{profile.variant}, {profile.load_text}:"
            yield from (f"  {line}" for line in lines)
