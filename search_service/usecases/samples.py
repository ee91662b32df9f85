"""Use cases of samples: the rows of a dataset that its owner chose to store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from search_service.domain.catalog import Dataset, DatasetSample
from search_service.domain.errors import Reason, ResourceExhausted
from search_service.domain.ports import UnitOfWork
from search_service.usecases.datasets import resolve_dataset
from search_service.usecases.fields import LONGEST_NAME, Reference, check_digest, check_text, invalid
from search_service.usecases.once import CHANGED_MEANWHILE, Once, run_once
from search_service.usecases.registry import Registry
from search_service.usecases.uploads import Arrived, Upload, drop_unused_blob, take_in

LARGEST_SAMPLE_BYTES = 64 << 20
MOST_ROWS = 1_000_000


def put_sample(registry: Registry, reference: Reference, sample: DatasetSample, chunks: Iterable[bytes]) -> Dataset:
    """Stores a sample of the dataset in place of an earlier one and gives the dataset.

    `chunks` are read after everything else has been checked, and not at all where this very sample is stored already.

    Raises:
        InvalidArgument: a field is wrong, DIGEST_MISMATCH for other bytes than announced, or INVALID_DATA for bytes
            that are not what the header says.
        NotFound: DATASET_NOT_FOUND.
        ResourceExhausted: TOO_LARGE.
    """
    checked = _check_sample(sample)
    with registry.database.begin() as unit:
        dataset = resolve_dataset(unit, reference)
    if dataset.sample == checked and registry.blobs.exists(checked.digest):
        return dataset
    inspection = registry.inspect_sample() if registry.inspect_sample is not None else None
    upload = Upload(checked.digest, checked.size_bytes)
    with take_in(registry, upload, chunks, inspection.write if inspection else _look_away) as arrived:
        if inspection is not None:
            inspection.finish(checked)
        return _replace_sample(registry, Reference(id=dataset.id), checked, arrived)


def delete_sample(registry: Registry, reference: Reference) -> Dataset:
    """Removes the dataset's sample and gives the dataset; harmless if there is none. Raises NotFound."""
    with registry.database.begin() as unit:
        dataset = resolve_dataset(unit, reference)
    if dataset.sample is None:
        return dataset
    return _replace_sample(registry, Reference(id=dataset.id), None, None)


def _replace_sample(
    registry: Registry, reference: Reference, sample: DatasetSample | None, arrived: Arrived | None
) -> Dataset:
    stored: list[str] = []

    def act(unit: UnitOfWork) -> tuple[str, Dataset]:
        old = resolve_dataset(unit, reference)
        if arrived is not None:
            arrived.publish(unit)
        changed = replace(old, sample=sample, updated_at=registry.clock(), revision=old.revision + 1)
        unit.datasets.replace(changed, (), old.revision)
        stored[:] = [old.sample.digest] if old.sample else []
        return old.id, changed

    once = Once.of("PutDatasetSample", "", None)
    changed = run_once(registry, once, act, lambda unit, key: unit.datasets.get(key), retry_on=CHANGED_MEANWHILE)
    for digest in stored:
        drop_unused_blob(registry, digest)
    return changed


def _check_sample(sample: DatasetSample) -> DatasetSample:
    if sample.size_bytes < 1:
        raise invalid("sample.size_bytes", f"must be above 0, not {sample.size_bytes}")
    if sample.size_bytes > LARGEST_SAMPLE_BYTES:
        raise ResourceExhausted(
            f"the sample has {sample.size_bytes} bytes, at most {LARGEST_SAMPLE_BYTES} are accepted: take fewer rows, "
            "some hundreds are enough",
            Reason.TOO_LARGE,
        )
    if not 1 <= sample.row_count <= MOST_ROWS:
        raise invalid("sample.row_count", f"must be from 1 to {MOST_ROWS}, not {sample.row_count}")
    check_text("sample.label_column", sample.label_column, LONGEST_NAME)
    return replace(sample, digest=check_digest("sample.digest", sample.digest))


def _look_away(chunk: bytes) -> None:
    del chunk  # nobody inspects samples here
