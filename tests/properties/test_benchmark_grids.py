"""A grid is as large as it was counted, and its digest does not depend on how it is written down."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_experiments import count_cells, expand, parse_benchmark


def lists_of(values):
    return st.lists(values, min_size=1, max_size=3, unique=True)


BLOCKS = st.fixed_dictionaries(
    {
        "backend": lists_of(st.sampled_from(["onnxruntime", "openvino", "null", "torch"])),
        "precision": lists_of(st.sampled_from(["fp32", "bf16", "int8_dynamic"])),
        "batch_size": lists_of(st.integers(1, 64)),
        "threads": lists_of(st.integers(1, 8)),
        "batching": st.sampled_from([[None], [None, {"max_batch": 4, "max_wait_ms": 2}]]),
    }
)
LOADS = st.one_of(
    st.sampled_from(["single_stream", "offline"]),
    st.fixed_dictionaries(
        {
            "scenario": st.just("server"),
            "rate_per_s": lists_of(st.integers(1, 10_000)),
            "arrival": lists_of(st.sampled_from(["poisson", "constant", "gamma"])),
            "p99_limit_ms": lists_of(st.integers(1, 100)),
        }
    ),
    st.fixed_dictionaries({"scenario": st.just("concurrency"), "streams": lists_of(st.integers(1, 64))}),
)
FILES = st.fixed_dictionaries(
    {
        "models": lists_of(st.sampled_from(["a", "b", "b@2", "zoo/c"])),
        "hardware": st.fixed_dictionaries({"host_class": lists_of(st.sampled_from(["", "cpu", "gpu"]))}),
        "software": BLOCKS.filter(lambda block: set(block["backend"]) != {"null"}),
        "loads": st.lists(LOADS, min_size=1, max_size=1),
    }
)


@settings(deadline=None)
@given(FILES)
def test_the_count_is_that_of_the_expanded_grid(file):
    benchmark = parse_benchmark(file)
    assert count_cells(benchmark) == len(expand(benchmark, confirmed=True).cells)


@settings(deadline=None)
@given(FILES, st.randoms(use_true_random=False))
def test_order_does_not_change_the_digest(file, chance: random.Random):
    def shuffled(value):
        if isinstance(value, list):
            return chance.sample([shuffled(item) for item in value], len(value))
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in chance.sample(list(value), len(value))}
        return value

    plan = expand(parse_benchmark(file), confirmed=True)
    again = expand(parse_benchmark(shuffled(file)), confirmed=True)
    assert again.digest == plan.digest
    assert set(again.cells) == set(plan.cells)


@settings(deadline=None)
@given(FILES, st.integers(65, 1000))
def test_another_cell_is_another_digest(file, batch_size):
    plan = expand(parse_benchmark(file), confirmed=True)
    file["software"]["batch_size"] = [*file["software"]["batch_size"], batch_size]
    assert expand(parse_benchmark(file), confirmed=True).digest != plan.digest
