"""The size law: what it says before any job has ended, how soon it learns, what it does not fall for."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from msearch_scheduling.pace import PRIOR_JOBS, PaceRecords, relative_speeds, shrunk_bias
from msearch_scheduling.sizes import ENOUGH, LARGEST_SURPRISE, USUAL, JobShape, SizeLaw
from msearch_scheduling.trust import Record

SHAPE = JobShape(variants={"null": 1}, runs=5, driven_s=10.0)


def test_before_any_job_the_law_is_what_is_usual() -> None:
    law = SizeLaw()
    assert law.predict(SHAPE) == pytest.approx(1.0 + 0.5 + 5 * 0.8 + 10.0)
    assert law.predict(JobShape(variants={"tensorrt": 2})) == pytest.approx(1 + 2 * USUAL["variant tensorrt"])
    assert law.predict(JobShape(variants={"new": 1})) > law.predict(JobShape())
    assert not law.covers(SHAPE)


def random_shape(generator: np.random.Generator) -> JobShape:
    return JobShape(
        variants={"null": int(generator.integers(0, 4)), "openvino": int(generator.integers(0, 3))},
        known_setup_s=float(generator.uniform(0, 5)),
        runs=int(generator.integers(1, 30)),
        driven_s=float(generator.exponential(20)),
    )


def true_size(shape: JobShape) -> float:
    """Far from what is usual in every term."""
    prepared = 2.0 * shape.variants.get("null", 0) + 15.0 * shape.variants.get("openvino", 0)
    return 4.0 + prepared + 1.2 * shape.known_setup_s + 0.3 * shape.runs + 0.8 * shape.driven_s


def test_it_learns_the_terms_from_jobs_that_have_ended() -> None:
    generator = np.random.default_rng(1)
    law = SizeLaw()
    for _ in range(40):
        shape = random_shape(generator)
        law = law.after(shape, true_size(shape) * math.exp(generator.normal(0, 0.05)))
    shapes = [random_shape(generator) for _ in range(40)]
    taught, untaught = (
        np.median([abs(math.log(true_size(shape) / one.predict(shape))) for shape in shapes])
        for one in (law, SizeLaw())
    )
    assert taught < 0.05
    assert untaught > 4 * taught
    assert law.covers(SHAPE)
    assert not law.covers(JobShape(variants={"tensorrt": 1})), "no such job has ended"


def test_a_few_jobs_of_one_kind_suffice_for_that_kind() -> None:
    law = SizeLaw()
    for _ in range(ENOUGH + 2):
        law = law.after(SHAPE, 30.0)
    assert law.predict(SHAPE) == pytest.approx(30.0, rel=0.05)


def test_what_once_went_wrong_is_forgotten() -> None:
    law = SizeLaw()
    for _ in range(10):
        law = law.after(SHAPE, 16.0)
    disturbed = law.after(SHAPE, 1e6)
    assert disturbed.predict(SHAPE) < 16.0 * LARGEST_SURPRISE
    for _ in range(60):
        disturbed = disturbed.after(SHAPE, 16.0)
    assert disturbed.predict(SHAPE) == pytest.approx(16.0, rel=0.05)


def test_sizes_stay_above_zero() -> None:
    law = SizeLaw()
    for _ in range(50):
        law = law.after(JobShape(runs=1), 1e-3)
    assert 0 < law.predict(JobShape(runs=1)) < 0.15
    assert law.predict(JobShape(runs=50, driven_s=1.0)) > 0
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            law.after(SHAPE, wrong)


def test_the_law_survives_as_json() -> None:
    law = SizeLaw().after(SHAPE, 30.0).after(replace(SHAPE, variants={"torch": 2}), 50.0)
    again = SizeLaw.from_dict(json.loads(json.dumps(law.to_dict())))
    assert again == law
    assert again.predict(SHAPE) == law.predict(SHAPE)


def record(count: int, bias: float) -> Record:
    return Record(count, bias, bias**2)


def test_speeds_tell_agents_apart_once_jobs_have_ended_on_them() -> None:
    known = {
        "slow": PaceRecords(record(1000, math.log(2)), record(1000, math.log(2))),
        "fast": PaceRecords(record(1000, -math.log(2)), record(1000, -math.log(2))),
    }
    found = relative_speeds(known)
    assert found["fast"] == pytest.approx(2.0, rel=0.02)
    assert found["fast"] / found["slow"] == pytest.approx(4.0, rel=0.02)
    assert relative_speeds({}) == {}
    assert relative_speeds({"new": PaceRecords()}) == {"new": 1.0}


def test_what_all_agents_have_in_common_is_no_speed() -> None:
    """Estimates that are too small everywhere say nothing of any agent."""
    common = {name: PaceRecords(record(50, 0.9), record(100, 0.9)) for name in "ab"}
    assert relative_speeds(common) == {"a": pytest.approx(1.0), "b": pytest.approx(1.0)}


def test_a_new_agent_is_as_fast_as_its_host_class() -> None:
    seen = record(200, math.log(2))
    found = relative_speeds(
        {"seen": PaceRecords(seen, seen), "new": PaceRecords(Record(), seen), "other": PaceRecords()}
    )
    assert found["new"] == pytest.approx(found["seen"], rel=0.05)
    assert found["other"] > 1.5 * found["new"]
    assert shrunk_bias(record(int(PRIOR_JOBS), 1.0)) == pytest.approx(0.5)
