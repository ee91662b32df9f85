"""Mathematics of the partition scores."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search_service.domain.ranking import Source
from search_service.scores import find_scores
from search_service.scores._partitions import TAU, distributions, jensen_shannon, match_partitions, squared_hellinger
from search_service.scores.coverage_knn import null_value
from tests.signatures import SPACE, blank_signature

COUNTS = arrays(np.uint32, (6, 2, 5), elements=st.integers(0, 40))


@given(COUNTS, COUNTS)
def test_jsd_lies_between_its_hellinger_bounds(left: np.ndarray, right: np.ndarray) -> None:
    left[:, :, 0] += 1  # no empty histogram
    right[:, :, 0] += 1
    p, q = distributions(left), distributions(right)
    divergence, squares = jensen_shannon(p, q), squared_hellinger(p, q)
    assert (math.log(2) * squares <= divergence + 1e-12).all()
    assert (divergence <= squares + 1e-12).all()
    assert (divergence <= math.log(2)).all()
    np.testing.assert_allclose(divergence, jensen_shannon(q, p), atol=1e-12)


@given(COUNTS, COUNTS, st.sampled_from([0.01, TAU, 0.3]))
def test_the_hellinger_filter_loses_and_adds_no_pair(left: np.ndarray, right: np.ndarray, tau: float) -> None:
    left[:, :, 0] += 1
    right[:, :, 0] += 1
    target, source = (blank_signature(row_count=10_000, partitions=part) for part in (left, right))
    found = match_partitions(target, [Source(source)], tau).similar
    p, q = distributions(left), distributions(right)
    divergences = jensen_shannon(p[:, None], q[None])
    decided = np.abs(divergences - tau) > 1e-9
    np.testing.assert_array_equal(found[decided], (divergences <= tau)[decided])


@given(st.integers(6, 500), st.integers(1, 500))
def test_the_null_value_grows_with_the_source_and_stays_a_share(reference: int, others: int) -> None:
    value = null_value(reference, others)
    assert 0 < value <= 1
    assert value <= null_value(reference, others + 1)


@given(arrays(np.int16, (9, 6), elements=st.integers(-8192, 8192)))
def test_nearest_never_exceeds_its_value_of_itself(centroids: np.ndarray) -> None:
    signature = blank_signature(
        dimension=6,
        space_digest=SPACE.digest,
        row_count=100,
        centroids=centroids,
        centroid_weights=np.full(9, 3, np.uint32),
        centroid_classes=np.full(9, -1, np.int16),
    )
    target = blank_signature(
        dimension=6,
        space_digest=SPACE.digest,
        row_count=100,
        centroids=centroids[::-1] // 2,
        centroid_weights=np.full(9, 3, np.uint32),
        centroid_classes=np.full(9, -1, np.int16),
    )
    values = find_scores()["nearest"].compute(target, [Source(signature), Source(target)], SPACE).values
    assert values[0] <= 0
    assert values[1] == 0
