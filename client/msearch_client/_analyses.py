"""Analyses of profiles: the client's side of `msearch_analysis`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msearch_analysis import rows as analysis
from msearch_analysis.analyses import Options, find_analysis
from msearch_analysis.charts import Chart
from msearch_analysis.errors import AnalysisError
from msearch_analysis.tables import Table, write_file
from msearch_client._errors import LocalError
from msearch_client._histograms import Histogram
from msearch_client._profiles import Profile, Verdict
from msearch_client._quantities import QUANTITIES
from msearch_client._records import Record, to_frame, to_json

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")

# As msearch_experiments.canonical names them.
_GENERATED = re.compile(r"(?P<family>generated/[a-z]+)-(?P<layers>\d+)x(?P<rest>.+)")

PICTURES = (".png", ".svg")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Findings(Record):
    """What an analysis found in profiles.

    `reading` says how to read its pictures; `notes` are things to know, such as what was not measured.
    """

    name: str
    title: str
    reading: str
    notes: tuple[str, ...]
    table: Table
    charts: tuple[Chart, ...]

    def __len__(self) -> int:
        return len(self.table.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows of its table, numbers in the unit of their quantity."""
        names = [column.name for column in self.table.columns]
        return [{name: row.get(name) for name in names} for row in self.table.rows]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values, without its pictures."""
        return {
            "name": self.name,
            "title": self.title,
            "reading": self.reading,
            "notes": list(self.notes),
            "columns": [{"name": column.name, "unit": column.unit} for column in self.table.columns],
            "rows": [{name: to_json(value) for name, value in row.items()} for row in self.to_dicts()],
        }

    def to_pandas(self) -> pd.DataFrame:
        """Its table as a data frame.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame(self.to_dicts())

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes its table as CSV, with a header.

        Raises:
            LocalError: the file cannot be written.
        """
        local(lambda: self.table.write_csv(Path(path)))

    def write_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes its table as Parquet; the unit of a column stands in its metadata.

        Raises:
            LocalError: the file cannot be written.
        """
        local(lambda: self.table.write_parquet(Path(path)))

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draws its pictures into one file, PNG or SVG by the end of its name.

        Raises:
            LocalError: there is nothing to draw, the name ends otherwise, matplotlib is missing, or the file cannot be
                written.
        """
        target = Path(path)
        if target.suffix.lower() not in PICTURES:
            raise LocalError(f"a picture's name must end with {' or '.join(PICTURES)}, not {target.name!r}")
        if not self.charts:
            said = "; ".join(self.notes) or "no profile has what it needs"
            raise LocalError(f"the analysis {self.name} has nothing to draw: {said}")
        from msearch_analysis.drawing import draw_file  # noqa: PLC0415 - slow to import

        local(lambda: write_file(target, draw_file(self.title, self.charts, target.suffix.lower()[1:])))

    def __repr__(self) -> str:
        return f"Findings({self.name}: {len(self)} rows, {len(self.charts)} pictures)"


def analyse_profiles(name: str, profiles: Iterable[Profile], *, metric: str = "") -> Findings:
    """What the analysis of that name finds in profiles, which need their histograms and runs for some.

    Raises:
        LocalError: there is no such analysis or quantity, or the analysis takes no quantity.
    """
    chosen = local(lambda: find_analysis(name))
    if metric and not chosen.takes_metric:
        raise LocalError(f"the analysis {name} takes no quantity", hint="leave the metric out")
    found = local(lambda: chosen.function(make_study(profiles), Options(metric)))
    return Findings(
        name=chosen.name,
        title=chosen.title,
        reading=chosen.reading,
        notes=found.notes,
        table=found.table,
        charts=found.charts,
    )


def make_study(profiles: Iterable[Profile]) -> analysis.Study:
    """The profiles as an analysis takes them."""
    quantities = {name: analysis.Quantity(name, one.unit, one.better) for name, one in QUANTITIES.items()}
    return analysis.Study(tuple(row_of(profile) for profile in profiles), quantities)


def row_of(profile: Profile) -> analysis.Row:
    """A profile as a row. A histogram that cannot be read counts as none."""
    variant, load = profile.variant, profile.load
    family, layers = _generated(profile.model_name)
    return analysis.Row(
        id=profile.id,
        model=profile.model_name,
        variant=str(variant),
        backend=variant.backend,
        precision=variant.precision.value,
        batch=variant.batch_size,
        threads=variant.threads,
        device=variant.device,
        load=profile.load_text,
        scenario=load.scenario.value,
        rate_per_s=load.rate_per_s,
        clients=load.streams if load.scenario.value == "concurrency" else 1,
        samples_a_query=load.streams if load.scenario.value == "multi_stream" else 1,
        queue_batch=load.batching.max_batch if load.batching is not None else 1,
        host_class=profile.host_class,
        valid=profile.valid,
        reasons=tuple(analysis.Reason(reason.rule, reason.detail) for reason in profile.reasons),
        quantities={
            item.name: analysis.Estimate(item.value, item.low, item.high, item.source, item.detail)
            for item in profile.measurements
            if item.value is not None
        },
        missing={item.name: item.detail for item in profile.measurements if item.value is None},
        runs=tuple(
            analysis.Run(
                run.verdict is Verdict.VALID,
                run.started_at,
                {item.name: item.value for item in run.measurements if item.value is not None},
            )
            for run in profile.runs
        ),
        histogram=tuple(_buckets(profile)),
        host=profile.host,
        versions=profile.versions,
        family=family,
        layers=layers,
        offered=profile.offer.value == "offered",
        offer_reason=profile.offer_reason,
        measured_at=profile.created_at,
    )


def _generated(model_name: str) -> tuple[str, int | None]:
    """Of a generated model, what it is but for its layers, and these: "generated/resnet-8x64@1" has 8."""
    found = _GENERATED.fullmatch(model_name)
    return ("", None) if found is None else (f"{found['family']}-·x{found['rest']}", int(found["layers"]))


def _buckets(profile: Profile) -> Iterator[analysis.Bucket]:
    try:
        found = Histogram.decode(profile.histogram).buckets if profile.histogram else ()
    except LocalError:
        found = ()
    return (analysis.Bucket(bucket.low, bucket.high, bucket.count) for bucket in found)


def local(action: Callable[[], Result]) -> Result:
    """What `action` gives, its AnalysisError as the client's own.

    Raises:
        LocalError: it raised one.
    """
    try:
        return action()
    except AnalysisError as error:
        raise LocalError(error.message, hint=error.hint) from None
