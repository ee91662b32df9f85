"""Every database keeps the sample of a dataset with it."""

from __future__ import annotations

from dataclasses import replace

from search_service.domain.catalog import DatasetSample
from search_service.domain.ports import Database
from tests.catalogue import a_dataset, digest_of, put_dataset

SAMPLE = DatasetSample(digest=digest_of("rows"), size_bytes=2**25, row_count=500, label_column="größer")


def test_a_sample_comes_back_with_its_dataset(database: Database) -> None:
    unlabelled = replace(SAMPLE, digest=digest_of("other"), label_column="")
    put_dataset(database, "a", sample=SAMPLE)
    put_dataset(database, "b", sample=unlabelled)
    put_dataset(database, "c")
    with database.begin() as work:
        assert work.datasets.get("a").sample == SAMPLE
        assert work.datasets.find("b", "1").sample == unlabelled
        assert work.datasets.get("c").sample is None


def test_a_sample_is_replaced_and_removed(database: Database) -> None:
    put_dataset(database, "a")
    for revision, sample in ((1, SAMPLE), (2, replace(SAMPLE, row_count=7)), (3, None)):
        with database.begin() as work:
            work.datasets.replace(a_dataset("a", sample=sample, revision=revision + 1), (), revision)
            work.commit()
        with database.begin() as work:
            assert work.datasets.get("a").sample == sample


def test_uses_blob_looks_at_the_samples_that_there_are(database: Database) -> None:
    put_dataset(database, "a", sample=SAMPLE)
    put_dataset(database, "b", sample=SAMPLE)
    for name in ("a", "b"):
        with database.begin() as work:
            assert work.datasets.uses_blob(SAMPLE.digest)
            assert not work.datasets.uses_blob(digest_of("other"))
            assert not work.datasets.uses_blob("")
            work.datasets.delete(name)
            work.commit()
    with database.begin() as work:
        assert not work.datasets.uses_blob(SAMPLE.digest)
