"""How near a variant comes to what its host can do, by the host's own measured peaks.

    attainable = min(peak, intensity x bandwidth)       S. Williams, A. Waterman, D. Patterson, CACM 52(4), 2009

achieved = FLOPs of a call / its median execution time. The bytes moved are not measured; a call reads its weights at
least once, so parameters x bytes each is the least it moves, and the intensity drawn is an upper bound.
"""

from __future__ import annotations

from typing import Any

from msearch_analysis.analyses._columns import SUBJECT, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_CHARTS, group, largest, not_drawn
from msearch_analysis.charts import Axis, Plot, Point, Series
from msearch_analysis.labels import titled
from msearch_analysis.rows import Row, Study
from msearch_analysis.tables import Column, Table

BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8_dynamic": 1.0, "int8_static": 1.0}
INTENSITY = Axis("intensity, at most", "FLOP/byte", log=True)
SPEED = Axis("arithmetic", "GFLOP/s", log=True)
MOST_MODELS = 6


def flops_of_call(row: Row) -> float | None:
    """Floating-point operations of what the median execution time is of, or None."""
    flops = row.value("flops")
    return None if flops is None else flops * row.batch * row.samples_a_query * (row.value("mean_batch_size") or 1.0)


def achieved_gflop_per_s(row: Row) -> float | None:
    """FLOPs of a call by its execution time, or None where one is not known.

    That is the median; in a pipeline, whose calls process rows too, the mean of what the model alone takes.
    """
    alone = row.value("stage_inference_ms") if row.value("stage_preprocess_ms") is not None else None
    flops, execution = flops_of_call(row), alone or row.value("service_p50_ms")
    return flops / execution / 1e6 if flops and execution else None


def intensity(row: Row) -> float | None:
    """FLOPs of a call by the bytes of its weights: at least as many as by the bytes it moves."""
    flops, parameters = flops_of_call(row), row.value("parameters")
    return flops / (parameters * BYTES.get(row.precision, 4.0)) if flops and parameters else None


def peaks_of(rows: list[Row]) -> dict[int, tuple[float, float]]:
    """GFLOP/s and GB/s by threads: the best that any of the profiles' agents measured, since disturbances only slow."""
    best: dict[int, tuple[float, float]] = {}
    for row in rows:
        found: Any = row.host.get("peaks")
        for one in found if isinstance(found, list) else ():
            try:
                threads, speed, width = int(one["threads"]), float(one["gflop_per_s"]), float(one["gb_per_s"])
            except (KeyError, TypeError, ValueError):
                continue
            held = best.get(threads, (0.0, 0.0))
            best[threads] = (max(held[0], speed), max(held[1], width))
    # More threads can always leave some idle.
    for threads in sorted(best):
        fewer = [best[count] for count in best if count <= threads]
        best[threads] = (max(speed for speed, _ in fewer), max(width for _, width in fewer))
    return dict(sorted(best.items()))


def peak_for(row: Row, peaks: dict[int, tuple[float, float]]) -> tuple[float, float] | None:
    """The peaks with as many threads as the variant uses, or the next more that were measured."""
    enough = [threads for threads in peaks if threads >= row.threads]
    return peaks[min(enough)] if enough else peaks[max(peaks)] if peaks else None


def _analyse(study: Study, options: Options) -> Findings:
    placed = [row for row in study.current if intensity(row) and achieved_gflop_per_s(row)]
    on_cpu = [row for row in placed if row.device.partition(":")[0] in ("", "cpu")]
    fastest: dict[tuple[str, ...], Row] = {}
    for row in on_cpu:
        key = (row.host_class, row.model, row.variant)
        if key not in fastest or (achieved_gflop_per_s(row) or 0) > (achieved_gflop_per_s(fastest[key]) or 0):
            fastest[key] = row
    hosts = group(study.rows, lambda row: row.host_class)
    peaks = {host: peaks_of(rows) for host, rows in hosts.items()}
    groups = group(fastest.values(), lambda row: row.host_class)
    drawn = largest({host: rows for host, rows in groups.items() if peaks[host]}, most=MOST_CHARTS)
    charts = tuple(
        _chart(titled(study, "each variant at its fastest", host=host), rows, peaks[host])
        for host, rows in drawn.items()
    )
    notes = [
        f"{host} has no measured peaks: start its agent with this version, and measure again"
        for host in groups
        if not peaks[host]
    ]
    if not study.current:
        notes.append("a roofline is drawn of VALID profiles, and there is none")
    if len(on_cpu) < len(placed):
        notes.append(f"{len(placed) - len(on_cpu)} profiles are of GPUs, whose peaks are not measured")
    unknown = len(study.current) - len(placed)
    if unknown:
        notes.append(
            f"FLOPs, parameters or execution time are not known for {unknown} of {len(study.current)} profiles"
        )
    notes += not_drawn({host: rows for host, rows in groups.items() if peaks[host]}, drawn)
    return Findings(_table(list(fastest.values()), peaks), charts, tuple(notes))


def _chart(title: str, rows: list[Row], peaks: dict[int, tuple[float, float]]) -> Plot:
    places = [(intensity(row) or 0.0, achieved_gflop_per_s(row) or 0.0) for row in rows]
    ridges = [speed / width for speed, width in peaks.values()]
    left, right = min(*(x for x, _ in places), *ridges) / 3, max(*(x for x, _ in places), *ridges) * 3
    roofs = tuple(
        Series(
            f"roof, {threads} thread{'s' if threads > 1 else ''}: {speed:.3g} GFLOP/s, {width:.3g} GB/s",
            (Point(left, left * width), Point(speed / width, speed), Point(right, speed)),
            number, line="straight", markers=False, muted=True,
        )
        for number, (threads, (speed, width)) in zip(range(0, 99, 6), peaks.items(), strict=False)
    )  # fmt: skip
    models = largest(group(rows, lambda row: row.model), most=MOST_MODELS)
    series = tuple(
        Series(
            model or "no model",
            tuple(Point(intensity(row) or 0.0, achieved_gflop_per_s(row) or 0.0, label=row.variant) for row in members),
            colour=number,
        )
        for number, (model, members) in enumerate(models.items())
    )
    return Plot(title, INTENSITY, SPEED, (*roofs, *series))


def _table(rows: list[Row], peaks: dict[str, dict[int, tuple[float, float]]]) -> Table:
    cells = []
    for row in rows:
        reached, density = achieved_gflop_per_s(row), intensity(row)
        limits = peak_for(row, peaks[row.host_class])
        attainable = None if limits is None or density is None else min(limits[0], density * limits[1])
        cells.append(
            what(row)
            | {
                "flops": row.value("flops"),
                "intensity": density,
                "achieved": reached,
                "attainable": attainable,
                "share": None if not attainable or reached is None else reached / attainable,
            }
        )
    columns = (
        *SUBJECT,
        Column("flops", heading="FLOPs of a sample", unit="FLOP", number=True),
        Column("intensity", heading="intensity at most", unit="FLOP/byte", number=True),
        Column("achieved", unit="GFLOP/s", number=True),
        Column("attainable", unit="GFLOP/s", number=True),
        Column("share", heading="share of attainable", number=True),
        Column("profile"),
    )
    return Table(columns, tuple(cells))


ANALYSIS = Analysis(
    name="roofline",
    title="Roofline",
    place=60,
    summary="arithmetic achieved beside what the host was measured to be able to do",
    reading="Roofs are the host's own measured peaks (single-precision matrix product, memory triad), not a "
    "data sheet's. Far below the roof, a variant is bound by overhead: try larger batches. Int8 may pass a "
    "roof of single precision.",
    function=_analyse,
)
