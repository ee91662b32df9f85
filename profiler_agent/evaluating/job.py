"""Runs a job's model on the rows of a sample, in a child process, and reads what the child left behind.

The child has run a stranger's model, so its outputs are only numbers: files of a size that is known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from msearch_running import Outputs
from profiler_agent.errors import Crashed, WrongInput
from profiler_agent.work import EvaluateSpec, Evaluation, Progress

TASK = "profiler_agent.evaluating.task:evaluate"
MOST_DRAWS = 1_000
LONGEST_PROBLEM = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the child is told. It writes `probabilities` [n, K] float32 and `noisy_votes` [s, n] int16, raw."""

    card_json: str
    artifact: Path
    sample: Path
    probabilities: Path
    noisy_votes: Path
    with_noise: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the child says of the files it wrote: n, K, s; `problem` is why the first row was skipped, or empty."""

    rows: int
    classes: int
    draws: int
    problem: str
    versions: dict[str, str]


_ORDER, _ANSWER = TypeAdapter(Order), TypeAdapter(Answer)


def read_order(argument: Any) -> Order:
    """The order from JSON values."""
    return _ORDER.validate_python(argument)


def write_answer(answer: Answer) -> Any:
    """JSON values of the answer."""
    return _ANSWER.dump_python(answer, mode="json")


def evaluate_job(
    spec: EvaluateSpec,
    order: Order,
    classes: tuple[str, ...],
    run_child: Callable[[str, Any, Callable[[Any], None]], Any],
    report: Callable[[Progress], None],
) -> Evaluation:
    """The outputs of the model on the sample's rows.

    Args:
        spec: what the job asks for.
        order: where the child finds and leaves things.
        classes: names of the model's classes, which the outputs are in the order of.
        run_child: runs a task in a confined process.
        report: takes the progress.

    Raises:
        JobError: the child's own failure; Crashed if what it left is not what it said.
        WrongInput: the sample does not hold the rows that the job says.
    """

    def pass_on(message: Any) -> None:
        share = message.get("share") if isinstance(message, dict) else None
        if isinstance(share, float) and 0 <= share <= 1:
            report(Progress(fraction=share, stage="evaluate", message=f"{share * spec.row_count:,.0f} rows"))

    report(Progress(fraction=0.0, stage="evaluate", message=f"running the model on {spec.row_count:,} rows"))
    try:
        answer = _ANSWER.validate_python(run_child(TASK, _ORDER.dump_python(order, mode="json"), pass_on))
    except ValidationError as error:
        raise Crashed(f"the child's answer is no report of outputs: {error.errors()[0]['msg']}") from None
    if answer.rows != spec.row_count:
        raise WrongInput(f"the sample holds {answer.rows:,} rows, the job says {spec.row_count:,}")
    if answer.classes != len(classes) or not 0 <= answer.draws <= MOST_DRAWS:
        raise Crashed(f"the child gave {answer.classes} classes in {answer.draws} draws, not {len(classes)} classes")
    probabilities = _read(order.probabilities, np.dtype("<f4"), (answer.rows, answer.classes))
    noisy = _read(order.noisy_votes, np.dtype("<i2"), (answer.draws, answer.rows)) if answer.draws else None
    return Evaluation(
        outputs=Outputs(classes, probabilities, answer.problem[:LONGEST_PROBLEM], noisy), versions=answer.versions
    )


def _read(path: Path, dtype: np.dtype[Any], shape: tuple[int, int]) -> NDArray[Any]:
    size = shape[0] * shape[1] * dtype.itemsize
    try:
        found = path.stat().st_size
        if found != size:
            raise Crashed(f"the child left {found:,} bytes of outputs, not {size:,}")
        return np.fromfile(path, dtype).reshape(shape)
    except OSError as error:
        raise Crashed(f"the child left no outputs: {error.strerror}") from None
