"""Whether a variant gives the right answers, and whether it is worth offering. Pure: numpy in, verdicts out.

`compare` checks outputs against the reference's; `check_batch_invariance` and `judge_caching` find models and targets
that cheat; `accuracy_loss` or `disagreement`, and `speed_up`, feed `decide`.
"""

from profiler_agent.verification.invariance import CacheVerdict, check_batch_invariance, judge_caching
from profiler_agent.verification.offers import (
    Loss,
    Offer,
    SpeedUp,
    accuracy_loss,
    decide,
    disagreement,
    right_answers,
    speed_up,
)
from profiler_agent.verification.outputs import TOLERANCES, Comparison, Outputs, compare, top_classes

__all__ = [
    "TOLERANCES",
    "CacheVerdict",
    "Comparison",
    "Loss",
    "Offer",
    "Outputs",
    "SpeedUp",
    "accuracy_loss",
    "check_batch_invariance",
    "compare",
    "decide",
    "disagreement",
    "judge_caching",
    "right_answers",
    "speed_up",
    "top_classes",
]
