"""Candidates that nobody measured yet: how to measure them, and doing so."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msearch_analysis.amounts import format_number
from msearch_client import (
    Candidate,
    Client,
    Figure,
    InvalidArgumentError,
    JobFailedError,
    LatencyPrediction,
    LatencyPredictions,
    LocalError,
    Model,
    NotFoundError,
    PreconditionFailedError,
    ProfileOptions,
    Ranking,
)
from msearch_client._job_calls import BACKEND_OF_FORMAT
from msearch_client.cli.following import follow
from msearch_client.cli.output import count, count_of, print_line, print_note
from msearch_deployment.limits import RESPONSE_LATENCIES

MOST_REASONS = 3
USUAL_LOAD = "single_stream"


def command_for(candidate: Candidate, options: ProfileOptions) -> str:
    """The command that would measure a candidate under the load that a question is about."""
    return measuring_command(candidate.model, [options.load] if options.load else [], options.host_class)


def measuring_command(model: Model, loads: Sequence[str], host_class: str) -> str:
    """The command that would measure a model under these loads; of any host class where it is ""."""
    words = ["msearch-cli", "profile", f"{model.name}@{model.version}"]
    for load in loads:
        words += ["--load", load]
    if host_class:
        words += ["--host-class", host_class]
    text = shlex.join(words)
    # A hosted model has no artifact: whoever hosts it knows its address.
    return text if model.artifact.format in BACKEND_OF_FORMAT else f"{text} --remote grpc://HOST:PORT/MODEL"


def unmeasured(ranking: Ranking) -> tuple[Candidate, ...]:
    """Candidates whose profiles cannot tell; where nothing is required of profiles, those that have none."""
    return ranking.unmeasured or tuple(candidate for candidate in ranking if candidate.profile is None)


def foretell(client: Client, ranking: Ranking, options: ProfileOptions) -> LatencyPredictions:
    """What the latencies of the unmeasured candidates would be."""
    models = [candidate.model for candidate in ranking.unmeasured]
    latencies = [name for name in options.metrics if name in RESPONSE_LATENCIES]
    return client.predict_latency(models, load=options.load, host_class=options.host_class, quantities=latencies)


def predictions_of(candidate: Candidate, foretold: LatencyPredictions) -> list[LatencyPrediction]:
    """Those of one candidate."""
    name = f"{candidate.model.name}@{candidate.model.version}"
    return [one for one in foretold.predictions if one.model_name == name]


def print_unmeasured(ranking: Ranking, options: ProfileOptions, foretold: LatencyPredictions | None = None) -> None:
    """The unmeasured candidates apart, each as the command that would measure it, with what is predicted of it."""
    if not ranking.unmeasured:
        return
    where = (f" under {options.load}" if options.load else "") + (
        f" on {options.host_class}" if options.host_class else ""
    )
    shown, total = len(ranking.unmeasured), max(ranking.unmeasured_total, len(ranking.unmeasured))
    print_line()
    print_line(f"{count_of(shown, total, 'candidate')} not measured yet{where}; to measure, or with --profile-missing:")
    for candidate in ranking.unmeasured:
        first = candidate.scores[0] if candidate.scores else None
        score = "" if first is None or first.value is None else f"  # {first.score} {first.value:.4f}"
        print_line(f"  {command_for(candidate, options)}{score}")
        for one in () if foretold is None else predictions_of(candidate, foretold):
            figures = ", ".join(f"{name} {format_prediction(figure)}" for name, figure in one.figures.items())
            print_line(f"      predicted as {one.variant} on {one.host_class}: {figures}")
    for reason in () if foretold is None else foretold.reasons[:MOST_REASONS]:
        print_line(f"  note: {reason}")


def format_prediction(figure: Figure) -> str:
    """A predicted latency with its interval."""
    return f"{format_number(figure.value)} ms ({format_number(figure.low)} to {format_number(figure.high)})"


def measure(client: Client, candidates: Sequence[Candidate], options: ProfileOptions) -> int:
    """Submits a job for each candidate, waits for all, and returns how many were measured.

    What fails is told on stderr and does not stop the others.
    """
    jobs = []
    for candidate in candidates:
        name = f"{candidate.model.name}@{candidate.model.version}"
        try:
            job = client.submit_job(candidate.model, loads=options.load or USUAL_LOAD, host_class=options.host_class)
        except (LocalError, InvalidArgumentError, NotFoundError, PreconditionFailedError) as error:
            print_note(f"note: {name} is not measured: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        else:
            jobs.append((name, job))
    measured = 0
    for number, (name, job) in enumerate(jobs, 1):
        try:
            follow(client, job, label=f"{name} ({number} of {count(len(jobs), 'job')})")
            measured += 1
        except JobFailedError as error:
            print_note(f"note: {error.message}")
    return measured
