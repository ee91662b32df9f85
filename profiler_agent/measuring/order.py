"""What a job's measuring needs, gathered on this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from profiler_agent.work import JobSpec, ModelFacts, SampleFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job with local files. `cache` is shared by all jobs of the host, `workspace` is this job's own.

    `artifact` is None for jobs without a model, `sample_file` (one Arrow IPC stream) where no sample is registered.
    `host_class` and `price_table` decide what an hour of this host costs.
    """

    spec: JobSpec
    model: ModelFacts | None
    sample: SampleFacts | None
    artifact: Path | None
    sample_file: Path | None
    cache: Path
    workspace: Path
    host_class: str = ""
    price_table: Path | None = None
