"""What the graph of a model takes: from a profile of it, else counted from its artifact on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msearch_client._artifact_cache import find_artifact
from msearch_client._catalogue import Model
from msearch_client._errors import ApiError, LocalError
from msearch_client._models import ModelCalls
from msearch_client._profiles import Profile
from msearch_deployment.latency import Work
from msearch_running.counting import count_apart
from msearch_running.errors import RunError

LARGEST_BYTES = 1 << 30
"""A larger artifact is not downloaded only to be counted."""
QUANTITIES = ("flops", "activation_bytes", "parameters", "operators")


@dataclass(frozen=True, slots=True)
class GraphWork:
    """The work of one sample, or why it is not known."""

    work: Work | None
    reason: str = ""


def work_of_profiles(profiles: Sequence[Profile]) -> Work | None:
    """From the newest profile that says it all."""
    for profile in profiles:
        values = {name: profile.value(name) for name in QUANTITIES}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) == len(values):
            return Work(**known)
    return None


def find_work(client: ModelCalls, model: Model, profiles: Sequence[Profile]) -> GraphWork:
    """From profiles where they say it, else from the artifact, which is downloaded once."""
    known = work_of_profiles(profiles)
    if known is not None:
        return GraphWork(known)
    identity = f"{model.name}@{model.version}"
    if model.artifact.format != "onnx" or not model.artifact.stored:
        return GraphWork(None, f"what the graph of {identity} takes is not known: no profile says it")
    if model.artifact.size_bytes > LARGEST_BYTES:
        return GraphWork(None, f"what the graph of {identity} takes is not counted: its artifact is above 1 GiB")
    try:
        path = find_artifact(model.artifact, lambda target: client.download_artifact(model, target, overwrite=True))
        counts = count_apart(path)
    except (ApiError, LocalError, RunError) as error:
        return GraphWork(None, f"what the graph of {identity} takes is not known: {error.message}")
    if counts.flops is None or counts.activation_bytes is None:
        return GraphWork(None, f"what the graph of {identity} takes is not known: {counts.flops_detail}")
    return GraphWork(
        Work(
            flops=float(counts.flops),
            activation_bytes=float(counts.activation_bytes),
            parameters=float(counts.parameters),
            operators=float(counts.operator_count),
        )
    )
