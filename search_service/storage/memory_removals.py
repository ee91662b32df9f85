"""What goes with what in the memory database, as foreign keys say it in SQL."""

from __future__ import annotations

from collections.abc import Callable

from search_service.domain.evaluation import Evaluation, EvaluationSample
from search_service.storage.memory_session import Tables


def drop_samples(tables: Tables, chosen: Callable[[EvaluationSample], bool]) -> None:
    """Removes those samples with the evaluations on them."""
    gone = {sample.id for sample in tables.evaluation_samples.values() if chosen(sample)}
    for sample_id in gone:
        del tables.evaluation_samples[sample_id], tables.sample_numbers[sample_id]
    drop_evaluations(tables, lambda evaluation: evaluation.sample_id in gone)


def drop_evaluations(tables: Tables, chosen: Callable[[Evaluation], bool]) -> None:
    """Removes those evaluations."""
    for key in [key for key, evaluation in tables.evaluations.items() if chosen(evaluation)]:
        del tables.evaluations[key], tables.evaluation_numbers[key]
