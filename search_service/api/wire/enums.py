"""Enums, by explicit dictionaries both ways."""

from __future__ import annotations

from msearch.v1 import error_reason_pb2, types_pb2
from search_service.domain.catalog import Modality
from search_service.domain.errors import Reason
from search_service.usecases.fields import invalid

MODALITY_TO_PROTO: dict[Modality, types_pb2.Modality.ValueType] = {
    Modality.IMAGE: types_pb2.MODALITY_IMAGE,
    Modality.TEXT: types_pb2.MODALITY_TEXT,
    Modality.TABULAR: types_pb2.MODALITY_TABULAR,
    Modality.TIME_SERIES: types_pb2.MODALITY_TIME_SERIES,
    Modality.PAIRS: types_pb2.MODALITY_PAIRS,
    Modality.EMBEDDING: types_pb2.MODALITY_EMBEDDING,
}
MODALITY_FROM_PROTO: dict[int, Modality] = {number: modality for modality, number in MODALITY_TO_PROTO.items()}

REASON_TO_PROTO: dict[Reason, error_reason_pb2.ErrorReason.ValueType] = {
    Reason.INVALID_FIELD: error_reason_pb2.ERROR_REASON_INVALID_FIELD,
    Reason.INVALID_CARD: error_reason_pb2.ERROR_REASON_INVALID_CARD,
    Reason.INVALID_ARTIFACT: error_reason_pb2.ERROR_REASON_INVALID_ARTIFACT,
    Reason.INVALID_SIGNATURE: error_reason_pb2.ERROR_REASON_INVALID_SIGNATURE,
    Reason.INVALID_DATA: error_reason_pb2.ERROR_REASON_INVALID_DATA,
    Reason.INVALID_PAGE_TOKEN: error_reason_pb2.ERROR_REASON_INVALID_PAGE_TOKEN,
    Reason.UNKNOWN_SCORE: error_reason_pb2.ERROR_REASON_UNKNOWN_SCORE,
    Reason.DIGEST_MISMATCH: error_reason_pb2.ERROR_REASON_DIGEST_MISMATCH,
    Reason.MODEL_NOT_FOUND: error_reason_pb2.ERROR_REASON_MODEL_NOT_FOUND,
    Reason.DATASET_NOT_FOUND: error_reason_pb2.ERROR_REASON_DATASET_NOT_FOUND,
    Reason.FEATURE_SPACE_NOT_FOUND: error_reason_pb2.ERROR_REASON_FEATURE_SPACE_NOT_FOUND,
    Reason.ARTIFACT_NOT_FOUND: error_reason_pb2.ERROR_REASON_ARTIFACT_NOT_FOUND,
    Reason.NAME_TAKEN: error_reason_pb2.ERROR_REASON_NAME_TAKEN,
    Reason.REQUEST_ID_REUSED: error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED,
    Reason.STILL_REFERENCED: error_reason_pb2.ERROR_REASON_STILL_REFERENCED,
    Reason.REVISION_CONFLICT: error_reason_pb2.ERROR_REASON_REVISION_CONFLICT,
    Reason.TOO_LARGE: error_reason_pb2.ERROR_REASON_TOO_LARGE,
    Reason.STORAGE_UNAVAILABLE: error_reason_pb2.ERROR_REASON_STORAGE_UNAVAILABLE,
}


def read_modality(number: int, path: str) -> Modality:
    """Raises InvalidArgument for UNSPECIFIED and for a value that this version does not know."""
    modality = read_optional_modality(number, path)
    if modality is None:
        raise invalid(path, f"must be given; one of {', '.join(MODALITY_TO_PROTO)}")
    return modality


def read_optional_modality(number: int, path: str) -> Modality | None:
    """None for UNSPECIFIED, where a field says that it means any. Raises InvalidArgument for an unknown value."""
    if number == types_pb2.MODALITY_UNSPECIFIED:
        return None
    modality = MODALITY_FROM_PROTO.get(number)
    if modality is None:
        raise invalid(path, f"the modality {number} is unknown; known are {', '.join(MODALITY_TO_PROTO)}")
    return modality
