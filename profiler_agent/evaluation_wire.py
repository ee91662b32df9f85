"""Between messages and the agent's own words, for evaluate jobs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import evaluation_service_pb2 as evaluations
from msearch.v1 import profiles_pb2 as pb
from profiler_agent.work import EvaluateSpec, Evaluation

CHUNK_BYTES = 1 << 20


def read_evaluate(message: pb.EvaluateSpec) -> EvaluateSpec:
    """What to run a model on."""
    return EvaluateSpec(
        sample_id=message.sample_id,
        sample_digest=message.sample_digest,
        row_count=message.row_count,
        with_noise=message.with_noise,
    )


def write_evaluation(evaluation: Evaluation, lease: agents.Lease) -> Iterator[agents.CompleteEvaluationRequest]:
    """The report of an evaluate job: its header, then the probabilities in pieces of 1 MiB."""
    outputs = evaluation.outputs
    header = agents.CompleteEvaluationRequest.Header(
        lease=lease,
        outputs=evaluations.Outputs(
            classes=outputs.classes,
            row_count=len(outputs.probabilities),
            noisy_predictions=b"" if outputs.noisy_votes is None else outputs.noisy_votes.astype("<i2").tobytes(),
            skipped_count=outputs.skipped,
            problem=outputs.problem,
        ),
        versions=dict(evaluation.versions),
    )
    yield agents.CompleteEvaluationRequest(header=header)
    data = np.ascontiguousarray(outputs.probabilities, "<f4").tobytes()
    for start in range(0, len(data), CHUNK_BYTES):
        yield agents.CompleteEvaluationRequest(chunk=data[start : start + CHUNK_BYTES])
