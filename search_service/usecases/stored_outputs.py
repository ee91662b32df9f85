"""Use case of whoever stored a sample: to read back the outputs that a model gave on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search_service.domain.access import Caller
from search_service.domain.errors import NotFound, PermissionDenied, Reason
from search_service.usecases.evidence import Evidence, seen_sample
from search_service.usecases.fields import Reference
from search_service.usecases.models import resolve_model
from search_service.usecases.outputs import Outputs

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredOutputs:
    """Outputs as they were stored; `problem` is why the first row that the model could not take was skipped."""

    outputs: Outputs
    problem: str

    def chunks(self) -> Iterator[bytes]:
        """The probabilities, little-endian float32 row after row, in pieces of 1 MiB."""
        data = self.outputs.probabilities.astype("<f4", copy=False).tobytes()
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]


def open_outputs(evidence: Evidence, caller: Caller, model: Reference, sample_id: str) -> StoredOutputs:
    """The outputs of a model on a sample that the caller stored.

    Outputs say, row by row, what the rows are like, so they are for whoever has the rows: of a validation sample, too,
    others are told the accuracies only.

    Raises:
        NotFound: EVALUATION_SAMPLE_NOT_FOUND, MODEL_NOT_FOUND, or OUTPUTS_NOT_FOUND where it has none on the sample.
        PermissionDenied: another token stored this validation sample.
    """
    with evidence.database.begin() as unit:
        sample = seen_sample(unit, sample_id, caller.token_id, evidence.registry.clock())
        if sample.token_id != caller.token_id:
            raise PermissionDenied(
                f"the outputs on the validation sample {sample.id} are for the token that stored it: of other samples "
                "than your own, accuracies are told, and no outputs"
            )
        found = resolve_model(unit, model)
        evaluation = unit.evaluations.on_sample(sample.id, [found.id]).get(found.id)
    if evaluation is None:
        raise NotFound(
            f"{found.name}@{found.version} has no outputs on the sample {sample.id}: run it there, or add its outputs",
            Reason.OUTPUTS_NOT_FOUND,
        )
    chunks = evidence.registry.blobs.read(evaluation.outputs_digest)
    return StoredOutputs(Outputs.decode(evaluation.classes, chunks), evaluation.problem)
