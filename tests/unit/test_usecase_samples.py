"""Samples of datasets: stored, replaced and removed with their bytes; and what a deletion takes along."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from search_service.domain.catalog import Artifact, DatasetSample
from search_service.domain.errors import (
    InvalidArgument,
    NotFound,
    PreconditionFailed,
    Reason,
    ResourceExhausted,
)
from search_service.domain.jobs import JobState
from search_service.domain.ports import Database
from search_service.domain.profiling import ProfileFilter
from search_service.storage.blob_folder import FolderBlobStore
from search_service.usecases.datasets import delete_dataset, get_dataset
from search_service.usecases.fields import Reference
from search_service.usecases.models import delete_model
from search_service.usecases.registry import Registry
from search_service.usecases.samples import delete_sample, put_sample
from search_service.usecases.uploads import drop_unused_blobs
from tests.catalogue import NOW, a_model, put_dataset, put_models
from tests.profiling_objects import a_job, a_profile, a_spec, an_agent, put_agents, put_jobs, put_profiles, take

DATASET = Reference(name="d")


def registry_on(database: Database, folder: Path) -> Registry:
    numbers = count(1)
    return Registry(
        database=database,
        blobs=FolderBlobStore(folder),
        cards=None,  # type: ignore[arg-type]  # nothing here reads a card
        inspect=None,  # type: ignore[arg-type]  # or an artifact
        clock=lambda: NOW,
        new_id=lambda prefix: f"{prefix}_{next(numbers)}",
        committed=lambda: None,
        largest_artifact_bytes=1 << 20,
    )


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    put_dataset(database, "d")
    return registry_on(database, tmp_path / "blobs")


def sample_of(data: bytes, **fields: Any) -> DatasetSample:
    values: dict[str, Any] = {
        "digest": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "row_count": 7,
        "label_column": "label",
    }
    return DatasetSample(**(values | fields))


def stored(registry: Registry) -> set[str]:
    return set(registry.blobs.digests())


def test_a_sample_is_stored_replaced_and_removed_with_its_bytes(registry: Registry) -> None:
    first, second = sample_of(b"first"), sample_of(b"second", label_column="")
    dataset = put_sample(registry, DATASET, replace(first, digest=first.digest.upper()), [b"fi", b"rst"])
    assert (dataset.sample, dataset.revision) == (first, 2)
    assert get_dataset(registry, DATASET, False)[0] == dataset
    assert b"".join(registry.blobs.read(first.digest)) == b"first"
    assert put_sample(registry, Reference(id="d"), second, [b"second"]).sample == second
    assert stored(registry) == {second.digest}
    assert drop_unused_blobs(registry) == 0, "a sample keeps its bytes"
    removed = delete_sample(registry, DATASET)
    assert (removed.sample, stored(registry)) == (None, set())
    assert delete_sample(registry, DATASET) == removed, "harmless when repeated"


def test_the_very_same_sample_is_not_read_again(registry: Registry) -> None:
    dataset = put_sample(registry, DATASET, sample_of(b"rows"), [b"rows"])

    def chunks() -> Iterator[bytes]:
        pytest.fail("nobody needs the bytes")
        yield b""

    assert put_sample(registry, DATASET, sample_of(b"rows"), chunks()) == dataset
    changed = put_sample(registry, DATASET, sample_of(b"rows", row_count=8), [b"rows"])
    assert changed.sample == sample_of(b"rows", row_count=8)
    assert stored(registry) == {sample_of(b"rows").digest}


@pytest.mark.parametrize(
    ("sample", "chunks", "reason"),
    [
        (sample_of(b"rows", digest="ab"), [b"rows"], Reason.INVALID_FIELD),
        (sample_of(b"rows", size_bytes=0), [b"rows"], Reason.INVALID_FIELD),
        (sample_of(b"rows", row_count=0), [b"rows"], Reason.INVALID_FIELD),
        (sample_of(b"rows", label_column="\x00"), [b"rows"], Reason.INVALID_FIELD),
        (sample_of(b"rows", size_bytes=(64 << 20) + 1), [b"rows"], Reason.TOO_LARGE),
        (sample_of(b"rows"), [b"rows", b"!"], Reason.DIGEST_MISMATCH),
        (sample_of(b"rows"), [b"row"], Reason.DIGEST_MISMATCH),
        (sample_of(b"rows"), [b"swor"], Reason.DIGEST_MISMATCH),
    ],
)
def test_a_wrong_sample_leaves_nothing_behind(
    registry: Registry, sample: DatasetSample, chunks: list[bytes], reason: Reason
) -> None:
    before = get_dataset(registry, DATASET, False)
    with pytest.raises((InvalidArgument, ResourceExhausted)) as caught:
        put_sample(registry, DATASET, sample, chunks)
    assert caught.value.reason is reason
    assert (get_dataset(registry, DATASET, False), stored(registry)) == (before, set())


def test_a_sample_needs_its_dataset(registry: Registry) -> None:
    for act in (
        lambda: put_sample(registry, Reference(name="?"), sample_of(b"rows"), [b"rows"]),
        lambda: delete_sample(registry, Reference(name="?")),
    ):
        with pytest.raises(NotFound) as caught:
            act()
        assert caught.value.reason is Reason.DATASET_NOT_FOUND
    assert stored(registry) == set()


def test_an_inspection_refuses_a_sample_that_is_not_what_it_says(registry: Registry) -> None:
    class Inspection:
        def __init__(self) -> None:
            self.seen = b""

        def write(self, chunk: bytes) -> None:
            self.seen += chunk

        def finish(self, sample: DatasetSample) -> None:
            if self.seen != b"sound":
                raise InvalidArgument(f"{sample.digest} is not sound", Reason.INVALID_DATA)

    inspecting = replace(registry, inspect_sample=Inspection)
    assert put_sample(inspecting, DATASET, sample_of(b"sound"), [b"so", b"und"]).sample == sample_of(b"sound")
    with pytest.raises(InvalidArgument, match="not sound"):
        put_sample(inspecting, DATASET, sample_of(b"other"), [b"other"])
    assert stored(registry) == {sample_of(b"sound").digest}


def test_bytes_that_something_else_uses_stay(registry: Registry) -> None:
    """Two datasets with one sample, and a model whose artifact it happens to be."""
    sample = sample_of(b"shared")
    put_dataset(registry.database, "e")
    for name in ("d", "e"):
        put_sample(registry, Reference(name=name), sample, [b"shared"])
    artifact = Artifact(format="onnx", digest=sample.digest, size_bytes=sample.size_bytes)
    put_models(registry.database, a_model("m", artifact=artifact))
    delete_dataset(registry, "", Reference(name="d"), 0)
    assert stored(registry) == {sample.digest}
    delete_model(registry, "", Reference(name="m"), 0)
    assert stored(registry) == {sample.digest}
    delete_dataset(registry, "", Reference(name="e"), 0)
    assert stored(registry) == set()


def test_deleting_a_model_cancels_what_waits_and_drops_its_profiles(registry: Registry) -> None:
    database = registry.database
    put_models(database, a_model("m"), a_model("n"))
    put_jobs(database, *(a_job(f"{model}-job", a_spec(model_id=model)) for model in "mn"))
    put_profiles(database, *(a_profile(f"{model}-profile", model_id=model) for model in "mn"))
    delete_model(registry, "", Reference(name="m"), 1)
    with database.begin() as unit:
        assert [unit.jobs.get(f"{model}-job").state for model in "mn"] == [JobState.CANCELLED, JobState.PENDING]
        assert [profile.id for profile in unit.profiles.page(ProfileFilter(), None, 9).items] == ["n-profile"]


def test_a_model_that_an_agent_works_on_is_not_deleted(registry: Registry) -> None:
    database = registry.database
    put_models(database, a_model("m"))
    put_agents(database, an_agent())
    put_jobs(database, a_job("held", a_spec(model_id="m")), a_job("waits", a_spec(model_id="m")))
    assert take(database, an_agent()) is not None
    with pytest.raises(PreconditionFailed, match=r"job held.*cancel it first") as caught:
        delete_model(registry, "", Reference(name="m"), 0)
    assert caught.value.reason is Reason.STILL_REFERENCED
    with database.begin() as unit:
        assert unit.models.get("m")
        assert unit.jobs.get("waits").state is JobState.PENDING
