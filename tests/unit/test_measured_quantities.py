"""The table of measured quantities: what the service knows, the client knows alike."""

from __future__ import annotations

import pytest

from msearch_client import _quantities as of_client
from search_service.domain.errors import InvalidArgument, Reason
from search_service.domain.metrics import QUANTITIES, check_metric


def test_service_and_client_know_the_same_quantities() -> None:
    service = {name: (known.unit, known.lower_is_better) for name, known in QUANTITIES.items()}
    client = {name: (known.unit, known.better == of_client.LOWER) for name, known in of_client.QUANTITIES.items()}
    assert service == client


def test_a_known_quantity_is_found() -> None:
    assert check_metric("p99_ms").unit == "ms"
    assert check_metric("throughput_per_s").lower_is_better is False


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("p99", "did you mean p99_ms"),
        ("p99_msec", "did you mean p99_ms"),
        ("throughput", "did you mean throughput_per_s"),
        ("P99_MS", "did you mean p99_ms"),
        ("beauty", "known are mean_ms"),
        ("", "known are mean_ms"),
    ],
)
def test_an_unknown_quantity_is_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as caught:
        check_metric(name, "profiles.order_by_metric")
    assert caught.value.reason is Reason.UNKNOWN_METRIC
    assert caught.value.fields[0][0] == "profiles.order_by_metric"
