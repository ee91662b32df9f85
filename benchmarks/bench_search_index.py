"""Exact adaptivity over a large registry, beside other ways to rank it, with the quality of each.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_search_index [--quick]

Peers that cannot hold all sources in this benchmark's memory and time hold the first few thousand, and their times are
scaled by the number of sources (said in the table). Quality is judged over those first sources, for all alike, against
exact row coverage, as the mean over targets: Spearman correlation over the sources that cover at least one row of the
target (most of a registry covers none, and ties have no order to find), and recall of the ten best.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.peers import Peer
from benchmarks.peers.lsh_ensemble import LshEnsemble
from benchmarks.peers.mean_l2 import MeanL2
from benchmarks.peers.partition_jsd import PartitionJsd
from benchmarks.peers.rkme_mmd import RkmeMmd
from benchmarks.peers.row_coverage import RowCoverage
from benchmarks.peers.sparse_product import SparseProduct
from benchmarks.report import Report, Timing, print_table, repeat, resident_bytes
from benchmarks.search_sources import SPACE, Chunk, Universe, sign
from msearch_sketch.signature import Signature
from search_service.index import InvertedIndex

TARGET_ROWS = 500
CHUNK = 2_000
GIB = 1 << 30
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run."""

    sources: int
    judged: int
    targets: int
    queries: int
    repeats: int


FULL = Scale(sources=100_000, judged=5_000, targets=12, queries=700, repeats=3)
QUICK = Scale(sources=5_000, judged=1_000, targets=3, queries=60, repeats=1)


class BuiltIndex:
    """The index with what building it cost."""

    def __init__(self) -> None:
        self.index = InvertedIndex()
        self.put_seconds = 0.0
        self.put_cpu_seconds = 0.0
        self.grown_bytes = 0
        self.decode_seconds = 0.0
        self.check_seconds = 0.0
        self.decoded = 0
        self._count = 0

    def add(self, chunk: Chunk) -> None:
        """Puts the chunk's signatures; decoding is timed on some of them, both ways."""
        signatures = chunk.signatures()
        encoded = [signature.encoded for signature in signatures[:100]]
        start = time.perf_counter()
        for data in encoded:
            Signature.from_bytes(data)
        half = time.perf_counter()
        for data in encoded:
            Signature.from_checked_bytes(data)
        self.check_seconds += half - start
        self.decode_seconds += time.perf_counter() - half
        self.decoded += len(encoded)
        entries = [(_dataset_id(self._count + i), signature) for i, signature in enumerate(signatures)]
        self._count += len(entries)
        before = resident_bytes()
        start, cpu_start = time.perf_counter(), time.process_time()
        self.index.put_many(entries)
        self.put_seconds += time.perf_counter() - start
        self.put_cpu_seconds += time.process_time() - cpu_start
        self.grown_bytes += resident_bytes() - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5,000 sources, to try the benchmark itself")
    quick = parser.parse_args().quick
    scale = QUICK if quick else FULL
    report = Report("search_index", quick=quick)
    peers: list[Peer] = [RowCoverage(), PartitionJsd(), RkmeMmd(), LshEnsemble(), MeanL2(), SparseProduct()]
    universe = Universe()

    print(f"{scale.sources:,} sources of 256 rows, targets of {TARGET_ROWS} rows, one core", flush=True)
    built, fed = _build(universe, scale, peers)
    targets = [chunk.rows[0] for chunk in universe.datasets(scale.targets, 1, TARGET_ROWS, stream=1)]
    signed = [sign(target[None])[0] for target in targets]
    latency, nanoseconds = _time_index(report, built, signed, scale.queries)
    _time_writes(report, built.index, universe)

    truth = [peers[0].scores(target)[: scale.judged] for target in targets]
    contestants = [_index_as_contestant(built, scale, latency, signed)]
    contestants += [_peer_as_contestant(peer, *cost, scale, targets) for peer, cost in zip(peers, fed, strict=True)]
    print()
    print_table(
        ("method", "sources", "ms a query", f"at {scale.sources:,}", "Spearman", "recall@10", "build s", "MiB"),
        [_judge(report, contestant, scale, truth) for contestant in contestants],
    )
    _compare_with_sparse_product(report, peers, signed, nanoseconds, scale.repeats)

    size = built.index.sizes()[SPACE.digest]
    report.bar("coverage_p99_ms", latency.percentile(99) * 1e3, limit=25)
    report.bar("coverage_ns_per_posting", nanoseconds, limit=2)
    report.bar("index_grown_gib", max(built.grown_bytes, size.size_bytes) / GIB, limit=2)
    report.bar("put_many_cpu_us_per_source", built.put_cpu_seconds / scale.sources * 1e6, limit=60)
    first_answer = built.put_seconds + built.decode_seconds / built.decoded * scale.sources + latency.percentile(99)
    report.bar("decode_and_index_to_first_answer_s", first_answer, limit=15)
    return report.finish()


def _build(universe: Universe, scale: Scale, peers: list[Peer]) -> tuple[BuiltIndex, list[tuple[int, float]]]:
    """The index, and for each peer how many sources it took and in how many seconds."""
    built = BuiltIndex()
    held = [0] * len(peers)
    seconds = [0.0] * len(peers)
    for number, chunk in enumerate(universe.datasets(scale.sources, min(CHUNK, scale.judged))):
        built.add(chunk)
        for i, peer in enumerate(peers):
            if held[i] < max(min(peer.most_sources, scale.sources), scale.judged):
                start = time.perf_counter()
                peer.add(chunk.rows)
                seconds[i] += time.perf_counter() - start
                held[i] += len(chunk.rows)
        if number % 10 == 9:
            print(f"  {(number + 1) * len(chunk.rows):,} sources indexed", flush=True)
    for i, peer in enumerate(peers):
        start = time.perf_counter()
        peer.finish()
        seconds[i] += time.perf_counter() - start
    return built, list(zip(held, seconds, strict=True))


def _time_index(report: Report, built: BuiltIndex, targets: list[Signature], queries: int) -> tuple[Timing, float]:
    """Latencies and median nanoseconds per posting touched, of the round that the neighbours disturbed least."""
    rounds = sorted(
        (_time_round(built.index, targets, queries) for _ in range(ROUNDS)), key=lambda r: r[0].percentile(99)
    )
    latency, cpu, touches = rounds[0]
    nanoseconds = float(np.median(np.array(latency.seconds) / np.maximum(touches, 1)) * 1e9)
    size = built.index.sizes()[SPACE.digest]
    figures = {
        "sources": size.datasets,
        "segments": size.segments,
        "postings": size.postings,
        "array_bytes": size.size_bytes,
        "grown_bytes": built.grown_bytes,
        "bytes_per_posting": size.size_bytes / size.postings,
        "put_us_per_source": built.put_seconds / size.datasets * 1e6,
        "put_cpu_us_per_source": built.put_cpu_seconds / size.datasets * 1e6,
        "decode_us_per_source": built.decode_seconds / built.decoded * 1e6,
        "decode_and_check_us_per_source": built.check_seconds / built.decoded * 1e6,
        "query_ms_median": latency.median * 1e3,
        "query_ms_p99": latency.percentile(99) * 1e3,
        "query_ms_p99_worst_round": rounds[-1][0].percentile(99) * 1e3,
        "query_cpu_ms_p99": cpu.percentile(99) * 1e3,
        "queries_a_round": queries,
        "postings_touched_mean": float(np.mean(touches)),
        "ns_per_posting": nanoseconds,
    }
    report.figure("index", figures)
    print("\nindex")
    print_table(
        ("figure", "value"), [(name, f"{value:,.{0 if value >= 1e4 else 2}f}") for name, value in figures.items()]
    )
    return latency, nanoseconds


def _time_round(
    index: InvertedIndex, targets: list[Signature], queries: int
) -> tuple[Timing, Timing, NDArray[np.int64]]:
    """Wall and CPU times of queries, and the postings that each touched."""
    seconds, cpu_seconds, touches = [], [], []
    for query in range(queries):
        start, cpu_start = time.perf_counter(), time.thread_time()
        _, touched = index.measure(targets[query % len(targets)])
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.thread_time() - cpu_start)
        touches.append(touched)
    return Timing(tuple(seconds)), Timing(tuple(cpu_seconds)), np.array(touches)


def _time_writes(report: Report, index: InvertedIndex, universe: Universe) -> None:
    """Single puts and removes on the full index; it holds the same sources afterwards."""
    signatures = [s for chunk in universe.datasets(300, 100, stream=2) for s in chunk.signatures()]
    puts, removes = [], []
    for i, signature in enumerate(signatures):
        start = time.perf_counter()
        index.put(f"new_{i}", signature)
        puts.append(time.perf_counter() - start)
    for i in range(len(signatures)):
        start = time.perf_counter()
        index.remove(f"new_{i}")
        removes.append(time.perf_counter() - start)
    put, remove = Timing(tuple(puts)), Timing(tuple(removes))
    figures = {
        "put_ms_mean": sum(puts) / len(puts) * 1e3,
        "put_ms_p99": put.percentile(99) * 1e3,
        "remove_ms_mean": sum(removes) / len(removes) * 1e3,
        "remove_ms_p99": remove.percentile(99) * 1e3,
    }
    report.figure("writes", figures)
    print("\nwrites, one at a time, on the full index")
    print_table(("figure", "value"), [(name, f"{value:.3f}") for name, value in figures.items()])


@dataclass(frozen=True, slots=True)
class Contestant:
    """A method as it did: `found` holds its scores of the judged sources, by target."""

    name: str
    sources: int
    timing: Timing
    build_seconds: float
    size_bytes: int
    found: list[NDArray[np.float64]]


def _index_as_contestant(built: BuiltIndex, scale: Scale, latency: Timing, targets: list[Signature]) -> Contestant:
    wanted = {_dataset_id(i): i for i in range(scale.judged)}
    found = []
    for target in targets:
        coverage = built.index.coverage(target)
        values = np.zeros(scale.judged)
        for dataset_id, value in zip(coverage.dataset_ids, coverage.values.tolist(), strict=True):
            if dataset_id in wanted:
                values[wanted[dataset_id]] = value
        found.append(values)
    size = built.index.sizes()[SPACE.digest]
    return Contestant("adaptivity, this index", scale.sources, latency, built.put_seconds, size.size_bytes, found)


def _peer_as_contestant(
    peer: Peer, sources: int, build_seconds: float, scale: Scale, targets: list[NDArray[np.int16]]
) -> Contestant:
    found = [peer.scores(target)[: scale.judged] for target in targets]
    if isinstance(peer, MeanL2):
        timing = repeat(lambda: peer.nearest_ten(targets[0]), 20)
    else:
        timing = repeat(lambda: peer.scores(targets[0]), scale.repeats)
    return Contestant(peer.name, sources, timing, build_seconds, peer.size_bytes(), found)


def _judge(report: Report, contestant: Contestant, scale: Scale, truth: list[NDArray[np.float64]]) -> tuple[str, ...]:
    """A row of the table."""
    milliseconds = contestant.timing.median * 1e3
    scaled = milliseconds * scale.sources / contestant.sources
    pairs = list(zip(contestant.found, truth, strict=True))
    spearman = float(np.mean([_spearman(found, true) for found, true in pairs]))
    recall = float(np.mean([_recall(found, true) for found, true in pairs]))
    figures = {
        "sources": contestant.sources,
        "query_ms": milliseconds,
        "query_ms_scaled": scaled,
        "spearman": spearman,
        "recall_at_10": recall,
        "build_seconds": contestant.build_seconds,
        "size_bytes": contestant.size_bytes,
    }
    report.figure(contestant.name, figures)
    return (
        contestant.name,
        f"{contestant.sources:,}",
        f"{milliseconds:,.2f}",
        f"{'scaled ' if contestant.sources < scale.sources else ''}{scaled:,.2f}",
        f"{spearman:.3f}",
        f"{recall:.2f}",
        f"{contestant.build_seconds:.1f}",
        f"{contestant.size_bytes / (1 << 20):,.0f}",
    )


def _spearman(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    found, truth = found[truth > 0], truth[truth > 0]
    if len(truth) < 3 or np.ptp(found) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(spearmanr(found, truth).statistic)


def _recall(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Share of the ten best, of those that cover anything, among the ten found first; ties with the tenth count."""
    best = (truth >= np.sort(truth)[-10]) & (truth > 0)
    first = np.argsort(-found, kind="stable")[:10]
    return float(best[first].sum() / min(10, max(int(best.sum()), 1)))


def _compare_with_sparse_product(
    report: Report, peers: list[Peer], targets: list[Signature], nanoseconds: float, repeats: int
) -> None:
    peer = next(peer for peer in peers if isinstance(peer, SparseProduct))
    rates = []
    for target in targets:
        timing = repeat(lambda target=target: peer.product(target), repeats)  # type: ignore[misc]
        rates.append(timing.median / peer.touched(target) * 1e9)
    rate = float(np.median(rates))
    report.figure("scipy_ns_per_posting", rate)
    print(f"\nper posting touched: this index {nanoseconds:.2f} ns, scipy's sparse product {rate:.2f} ns")


def _dataset_id(number: int) -> str:
    return f"ds_{number:06d}"


if __name__ == "__main__":
    sys.exit(main())
