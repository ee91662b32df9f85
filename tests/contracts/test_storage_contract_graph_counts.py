"""Every database remembers what graphs take."""

from __future__ import annotations

from search_service.domain.graph_counts import GraphCounts
from search_service.domain.ports import Database
from tests.catalogue import digest_of

COUNTED = GraphCounts(parameters=2**40, operators=7, flops=3 * 10**12, activation_bytes=2**50, detail="from shapes")
UNCOUNTED = GraphCounts(detail="the work of Loop depends on the data")


def test_counts_are_kept_by_digest(database: Database) -> None:
    one, two, three = (digest_of(word) for word in ("one", "two", "three"))
    with database.begin() as work:
        work.graph_counts.add(one, COUNTED)
        work.graph_counts.add(two, UNCOUNTED)
        work.graph_counts.add(one, UNCOUNTED)  # another replica was slower
        work.commit()
    with database.begin() as work:
        assert work.graph_counts.get_many([three, two, one]) == {one: COUNTED, two: UNCOUNTED}
        assert work.graph_counts.get_many([]) == {}
