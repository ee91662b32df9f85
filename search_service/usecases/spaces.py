"""Use cases of feature spaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from msearch_sketch.errors import SignatureError, SpaceError
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import FeatureSpace, Modality, Page, SignatureSummary, StoredSignature
from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.ports import UnitOfWork
from search_service.usecases.fields import check_digest, check_revision, check_text, invalid
from search_service.usecases.once import CHANGED_MEANWHILE, Once, fingerprint, run_once
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.registry import Registry

LONGEST_DOCUMENT = 1 << 20


def register_space(registry: Registry, request_id: str, document: str, description: str) -> FeatureSpace:
    """Registers a space and returns the one to use: for a schema and featuriser the first one registered wins.

    Raises:
        InvalidArgument: the document is malformed.
    """
    check_text("document", document, LONGEST_DOCUMENT)
    check_text("description", description)
    try:
        space = SpaceDocument.from_document(document)
    except SpaceError as error:
        raise invalid("document", str(error)) from None

    def act(unit: UnitOfWork) -> tuple[str, FeatureSpace]:
        known = _find_registered(unit, space)
        if known is None:
            known = _to_register(registry, space, description)
            unit.spaces.add(known)
        return known.digest, known

    once = Once.of("RegisterFeatureSpace", request_id, (space.document, description))
    return run_once(registry, once, act, lambda unit, result_id: unit.spaces.get(result_id), retry_on=(AlreadyExists,))


def register_built_in_spaces(registry: Registry, spaces: Iterable[SpaceDocument]) -> int:
    """Registers the data-independent spaces that are not there yet, and says how many that were."""
    added = 0
    for space in spaces:
        try:
            with registry.database.begin() as unit:
                if _find_registered(unit, space) is None:
                    unit.spaces.add(_to_register(registry, space, "built in"))
                    unit.commit()
                    added += 1
        except AlreadyExists:
            continue  # another replica that starts at the same time was faster
    return added


def get_space(registry: Registry, digest: str) -> FeatureSpace:
    """Raises NotFound (FEATURE_SPACE_NOT_FOUND)."""
    check_digest("digest", digest)
    with registry.database.begin() as unit:
        return unit.spaces.get(digest.lower())


def find_space(registry: Registry, schema_digest: str, featuriser: str) -> FeatureSpace:
    """The space registered for a schema. Raises NotFound (FEATURE_SPACE_NOT_FOUND)."""
    check_digest("schema.schema_digest", schema_digest)
    with registry.database.begin() as unit:
        return unit.spaces.find(schema_digest.lower(), featuriser)


def list_spaces(registry: Registry, modality: Modality | None, size: int, token: str) -> tuple[Page[FeatureSpace], str]:
    """A page by digest, and the token of the next."""
    bound_to = fingerprint("ListFeatureSpaces", modality)
    after = decode_token(bound_to, token, parts=1)
    with registry.database.begin() as unit:
        page = unit.spaces.page(modality, after, page_size(size, default=50))
    return page, encode_token(bound_to, page.after)


def update_space(registry: Registry, request_id: str, digest: str, description: str, revision: int) -> FeatureSpace:
    """Changes the description. Raises NotFound, or Conflict if the caller read another revision."""
    digest = check_digest("digest", digest)
    check_text("description", description)

    def act(unit: UnitOfWork) -> tuple[str, FeatureSpace]:
        space = unit.spaces.get(digest)
        check_revision("feature space", digest, revision, space.revision)
        changed = replace(space, description=description, revision=space.revision + 1)
        unit.spaces.replace(changed, space.revision)
        return digest, changed

    once = Once.of("UpdateFeatureSpace", request_id, (digest, description, revision))
    retry_on = () if revision else CHANGED_MEANWHILE
    return run_once(registry, once, act, lambda unit, result_id: unit.spaces.get(result_id), retry_on=retry_on)


def delete_space(registry: Registry, request_id: str, digest: str) -> None:
    """Raises NotFound, or PreconditionFailed (STILL_REFERENCED) while a signature lives in it."""
    digest = check_digest("digest", digest)

    def act(unit: UnitOfWork) -> tuple[str, None]:
        unit.spaces.delete(digest)
        return digest, None

    run_once(registry, Once.of("DeleteFeatureSpace", request_id, digest), act, lambda _unit, _id: None)


def read_signature(unit: UnitOfWork, data: bytes, path: str) -> tuple[StoredSignature, FeatureSpace]:
    """Checks an untrusted signature against its registered space.

    Raises:
        InvalidArgument: INVALID_SIGNATURE, corrupt or not what its space allows.
        NotFound: FEATURE_SPACE_NOT_FOUND.
    """
    signature = decode_signature(data, path)
    space = unit.spaces.get(signature.space_digest)
    check_fits(signature, space, path)
    summary = SignatureSummary(
        space_digest=signature.space_digest,
        row_count=signature.row_count,
        size_bytes=len(data),
        labelled=signature.labelled,
    )
    return StoredSignature(summary=summary, data=data), space


def decode_signature(data: bytes, path: str) -> Signature:
    """Raises InvalidArgument (INVALID_SIGNATURE)."""
    try:
        return Signature.from_bytes(data)
    except SignatureError as error:
        raise invalid(path, str(error), Reason.INVALID_SIGNATURE) from None


def check_fits(signature: Signature, space: FeatureSpace, path: str) -> SpaceDocument:
    """The space's document. Raises InvalidArgument (INVALID_SIGNATURE) if the signature contradicts it."""
    document = parse_document(space.document)
    try:
        signature.check_space(document)
    except SignatureError as error:
        raise invalid(path, str(error), Reason.INVALID_SIGNATURE) from None
    return document


@lru_cache(maxsize=256)
def parse_document(document: str) -> SpaceDocument:
    """The space that a registered document describes."""
    return SpaceDocument.from_document(document)


def _find_registered(unit: UnitOfWork, space: SpaceDocument) -> FeatureSpace | None:
    try:
        if space.schema_digest:
            return unit.spaces.find(space.schema_digest, space.featuriser)
        return unit.spaces.get(space.digest)
    except NotFound:
        return None


def _to_register(registry: Registry, space: SpaceDocument, description: str) -> FeatureSpace:
    return FeatureSpace(
        digest=space.digest,
        document=space.document,
        modality=Modality(space.modality),
        featuriser=space.featuriser,
        dimension=space.dimension,
        schema_digest=space.schema_digest,
        description=description,
        created_at=registry.clock(),
    )
