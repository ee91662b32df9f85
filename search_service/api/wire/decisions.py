"""Why a job stands where it does."""

from __future__ import annotations

from msearch.v1 import profiling_service_pb2 as pb
from search_service.api.wire.times import write_time
from search_service.domain.jobs import Decision, Step
from search_service.usecases.explaining import Explanation

STEP_TO_PROTO: dict[Step, pb.DecisionStep.ValueType] = {
    Step.PLACED: pb.DECISION_STEP_PLACED,
    Step.LEASED: pb.DECISION_STEP_LEASED,
}


def write_decision(decision: Decision) -> pb.Decision:
    return pb.Decision(
        step=STEP_TO_PROTO[decision.step],
        agent=decision.agent_id,
        reason=decision.reason,
        time=write_time(decision.at),
    )


def write_explanation(explanation: Explanation) -> pb.ExplainJobResponse:
    return pb.ExplainJobResponse(
        why=explanation.why,
        decisions=[write_decision(decision) for decision in explanation.decisions],
        sizes=explanation.sizes,
    )
