"""Targets of searches. One comes back for further pages, filters, scores: what depends on it alone is kept a while."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import FeatureSpace
from search_service.usecases.once import fingerprint
from search_service.usecases.spaces import check_fits, decode_signature

_KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A decoded signature and the digest of its bytes."""

    signature: Signature
    digest: str


@lru_cache(maxsize=_KEPT)
def read_target(data: bytes) -> Target:
    """The target of an encoded, untrusted signature. Raises InvalidArgument (INVALID_SIGNATURE)."""
    return Target(decode_signature(data, "signature.data"), hashlib.sha256(data).hexdigest())


@lru_cache(maxsize=_KEPT)
def check_target(target: Target, space: FeatureSpace) -> SpaceDocument:
    """The document of its space. Raises InvalidArgument (INVALID_SIGNATURE) where the signature contradicts it."""
    return check_fits(target.signature, space, "signature.data")


@lru_cache(maxsize=_KEPT)
def bind(*request: object) -> str:
    """The digest of everything that a page token is bound to."""
    return fingerprint("Search", *request)
