"""Every database keeps objects as they are and refuses what the port says it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_service.domain.catalog import Artifact, Dataset, FeatureSpace, Filter, Modality, Model
from search_service.domain.errors import AlreadyExists, Conflict, DomainError, NotFound, PreconditionFailed, Reason
from search_service.domain.ports import Database, RequestRecord, UnitOfWork
from tests.catalogue import (
    NOW,
    a_dataset,
    a_model,
    a_signature,
    a_space,
    digest_of,
    later,
    put_dataset,
    put_models,
    put_space,
)


def refused(caught: pytest.ExceptionInfo[DomainError], reason: Reason, *named: str) -> None:
    assert caught.value.reason is reason
    for text in named:
        assert text in caught.value.message


def test_a_model_comes_back_as_it_went_in(database: Database) -> None:
    put_dataset(database)
    model = a_model(dataset_id="dataset-1")
    put_models(database, model)
    with database.begin() as work:
        assert work.models.get("model-1") == model
        assert work.models.find("model-1", "1") == model
        assert work.models.find("model-1", "") == model
        listed = replace(model, card="")
        assert work.models.get_many(["model-1", "no-such", "model-1"]) == {"model-1": listed}
        assert list(work.models.scan()) == [listed]
        assert work.models.page(Filter(), None, 10).items == (listed,)
        assert work.models.get("model-1").created_at.utcoffset() == NOW.utcoffset()


def test_an_almost_empty_model_comes_back_as_it_went_in(database: Database) -> None:
    model = a_model(
        description="",
        licence="",
        tags=(),
        task="",
        classes=(),
        metrics=(),
        parent="",
        artifact=Artifact(format="none"),
        inputs=(),
        outputs=(),
        card="",
    )
    put_models(database, model)
    with database.begin() as work:
        assert work.models.get("model-1") == model


def test_classes_keep_their_order_and_are_shared_between_models(database: Database) -> None:
    many = tuple(f"class {n} é" for n in reversed(range(1000)))
    put_models(database, a_model("a", classes=many), a_model("b", classes=many), a_model("c", classes=many[::-1]))
    with database.begin() as work:
        assert [work.models.get(name).classes for name in "abc"] == [many, many, many[::-1]]
        assert work.models.matching_ids(Filter(classes=("class 7 é", "class 8 é"))) == {"a", "b", "c"}


def test_find_without_a_version_gives_the_newest_then_the_largest_id(database: Database) -> None:
    put_models(
        database,
        a_model("old", name="m", version="9", created_at=NOW),
        a_model("new-a", name="m", version="1", created_at=later(10)),
        a_model("new-b", name="m", version="2", created_at=later(10)),
    )
    put_dataset(database, "d-old", name="d", version="d-old", created_at=NOW)
    put_dataset(database, "d-new", name="d", version="d-new", created_at=later(1))
    with database.begin() as work:
        assert work.models.find("m", "").id == "new-b"
        assert work.models.find("m", "9").id == "old"
        assert work.datasets.find("d", "").id == "d-new"
        assert work.datasets.find("d", "d-old").id == "d-old"


@pytest.mark.parametrize("same", ["id", "name and version"])
def test_a_taken_model_name_or_id_is_refused_and_nothing_changes(database: Database, same: str) -> None:
    put_models(database, a_model("a", name="digits", version="2"))
    other = a_model("a", name="other") if same == "id" else a_model("b", name="digits", version="2")
    with database.begin() as work:
        with pytest.raises(AlreadyExists) as caught:
            work.models.add(other)
        refused(caught, Reason.NAME_TAKEN, f"{other.name}@{other.version}")
        # The unit of work goes on: a refusal is an answer, not an accident.
        work.models.add(a_model("c"))
        work.commit()
    with database.begin() as work:
        assert {model.id for model in work.models.scan()} == {"a", "c"}
        assert work.changes.last() == 2


def test_a_model_needs_its_dataset(database: Database) -> None:
    with database.begin() as work:
        with pytest.raises(NotFound) as caught:
            work.models.add(a_model(dataset_id="nowhere"))
        refused(caught, Reason.DATASET_NOT_FOUND, "nowhere")
        work.commit()
    with database.begin() as work:
        assert list(work.models.scan()) == []


def test_missing_objects_are_not_found(database: Database) -> None:
    with database.begin() as work:
        asked = [
            (lambda: work.models.get("m"), Reason.MODEL_NOT_FOUND),
            (lambda: work.models.find("m", ""), Reason.MODEL_NOT_FOUND),
            (lambda: work.models.find("m", "1"), Reason.MODEL_NOT_FOUND),
            (lambda: work.models.delete("m"), Reason.MODEL_NOT_FOUND),
            (lambda: work.models.replace(a_model("m"), 1), Reason.MODEL_NOT_FOUND),
            (lambda: work.datasets.get("d"), Reason.DATASET_NOT_FOUND),
            (lambda: work.datasets.find("d", ""), Reason.DATASET_NOT_FOUND),
            (lambda: work.datasets.find("d", "1"), Reason.DATASET_NOT_FOUND),
            (lambda: work.datasets.delete("d"), Reason.DATASET_NOT_FOUND),
            (lambda: work.datasets.replace(a_dataset("d"), (), 1), Reason.DATASET_NOT_FOUND),
            (lambda: work.spaces.get("s"), Reason.FEATURE_SPACE_NOT_FOUND),
            (lambda: work.spaces.find("s", "f"), Reason.FEATURE_SPACE_NOT_FOUND),
            (lambda: work.spaces.find("", "f"), Reason.FEATURE_SPACE_NOT_FOUND),
            (lambda: work.spaces.delete("s"), Reason.FEATURE_SPACE_NOT_FOUND),
            (lambda: work.spaces.replace(a_space("s"), 1), Reason.FEATURE_SPACE_NOT_FOUND),
        ]
        for ask, reason in asked:
            with pytest.raises(NotFound) as caught:
                ask()
            refused(caught, reason)
        assert work.models.get_many([]) == {}
        assert work.models.by_dataset("d") == []
        assert list(work.datasets.signatures("d")) == []
        assert work.datasets.names(["d"]) == {}
        assert work.requests.get("r") is None


def test_a_model_is_replaced_only_at_the_expected_revision(database: Database) -> None:
    put_dataset(database)
    put_models(database, a_model(tags=("old", "both"), classes=("cat",)))
    new = a_model(
        name="renamed",
        description="Recognises traffic signs",
        licence="MIT",
        tags=("both", "new"),
        classes=("stop",),
        dataset_id="dataset-1",
        card="{}",
        revision=2,
    )
    with database.begin() as work:
        with pytest.raises(Conflict) as caught:
            work.models.replace(new, 7)
        refused(caught, Reason.REVISION_CONFLICT, "model-1", "7")
        assert work.models.get("model-1").name == "model-1"
        work.models.replace(new, 1)
        work.commit()
    with database.begin() as work:
        assert work.models.get("model-1") == new
        for kept in (
            Filter(text="traffic"),
            Filter(tags=("new",)),
            Filter(classes=("stop",)),
            Filter(licences=("mit",)),
            Filter(dataset_id="dataset-1"),
        ):
            assert work.models.matching_ids(kept) == {"model-1"}
        for gone in (Filter(text="handwritten"), Filter(tags=("old",)), Filter(classes=("cat",))):
            assert work.models.matching_ids(gone) == frozenset()
        with pytest.raises(NotFound):
            work.models.find("model-1", "")


def test_replacing_may_not_take_anothers_name_or_an_unknown_dataset(database: Database) -> None:
    put_models(database, a_model("a"), a_model("b"))
    put_dataset(database, "da")
    put_dataset(database, "db")
    with database.begin() as work:
        with pytest.raises(AlreadyExists) as caught:
            work.models.replace(a_model("b", name="a"), 1)
        refused(caught, Reason.NAME_TAKEN)
        with pytest.raises(NotFound) as missing:
            work.models.replace(a_model("b", dataset_id="x"), 1)
        refused(missing, Reason.DATASET_NOT_FOUND)
        with pytest.raises(AlreadyExists):
            work.datasets.replace(a_dataset("db", name="da"), (), 1)
        assert work.models.get("b") == a_model("b")


def test_a_deleted_model_is_gone_and_its_name_is_free(database: Database) -> None:
    put_models(database, a_model("a", name="digits"))
    with database.begin() as work:
        work.models.delete("a")
        work.commit()
    with database.begin() as work:
        with pytest.raises(NotFound):
            work.models.get("a")
        assert work.models.matching_ids(Filter(text="handwritten")) == frozenset()
        assert work.models.matching_ids(Filter(tags=("digits",))) == frozenset()
        work.models.add(a_model("b", name="digits"))
        work.commit()


def test_uses_blob_looks_only_at_artifacts_stored_here(database: Database) -> None:
    blob = digest_of("blob")
    put_models(database, a_model("far", artifact=Artifact(format="onnx", digest=blob, uri="https://x.org/m.onnx")))
    with database.begin() as work:
        assert not work.models.uses_blob(blob)
    put_models(database, a_model("near", artifact=Artifact(format="onnx", digest=blob, size_bytes=1)))
    with database.begin() as work:
        assert work.models.uses_blob(blob)
        assert not work.models.uses_blob(digest_of("other"))
        assert not work.models.uses_blob("")


def test_a_dataset_comes_back_as_it_went_in_with_its_signatures(database: Database) -> None:
    first, second = put_space(database, "one"), put_space(database, "two")
    signatures = [a_signature(second, b"2" * 70_000), a_signature(first, b"1", rows=2**33)]
    dataset = a_dataset("dataset-1", *signatures)
    with database.begin() as work:
        work.datasets.add(dataset, signatures)
        work.commit()
    ordered = sorted(signatures, key=lambda signature: signature.summary.space_digest)
    with database.begin() as work:
        assert work.datasets.get("dataset-1") == dataset
        assert work.datasets.find("dataset-1", "1") == dataset
        assert work.datasets.page(Filter(), None, 5).items == (dataset,)
        assert list(work.datasets.signatures("dataset-1")) == ordered
        assert work.datasets.names(["dataset-1", "x"]) == {"dataset-1": "dataset-1"}
        assert work.datasets.signatures_in(first.digest, ["dataset-1", "x"]) == {"dataset-1": b"1"}
        assert work.datasets.signatures_in(digest_of("none"), ["dataset-1"]) == {}
        assert set(work.datasets.scan_signatures()) == {
            ("dataset-1", first.digest, b"1"),
            ("dataset-1", second.digest, b"2" * 70_000),
        }


def test_a_dataset_needs_its_spaces_and_a_free_name(database: Database) -> None:
    space = put_space(database)
    signature = a_signature(space)
    with database.begin() as work:
        with pytest.raises(NotFound) as missing:
            work.datasets.add(a_dataset("a"), [a_signature(a_space("unknown"))])
        refused(missing, Reason.FEATURE_SPACE_NOT_FOUND, digest_of("unknown"))
        work.datasets.add(a_dataset("a", signature), [signature])
        with pytest.raises(AlreadyExists) as caught:
            work.datasets.add(a_dataset("b", name="a"), [])
        refused(caught, Reason.NAME_TAKEN, "a@1")
        work.commit()
    with database.begin() as work:
        assert work.datasets.page(Filter(), None, 5).items == (a_dataset("a", signature),)


def test_replacing_a_dataset_adds_and_replaces_signatures_and_keeps_the_others(database: Database) -> None:
    one, two, three = (put_space(database, seed) for seed in ("one", "two", "three"))
    before = [a_signature(one, b"1"), a_signature(two, b"2")]
    with database.begin() as work:
        work.datasets.add(a_dataset("d", *before), before)
        work.commit()
    given = [a_signature(two, b"2 new"), a_signature(three, b"3")]
    new = a_dataset("d", before[0], *given, description="Street signs", tags=("street",), revision=2)
    with database.begin() as work:
        with pytest.raises(Conflict):
            work.datasets.replace(new, given, 2)
        with pytest.raises(NotFound):
            work.datasets.replace(new, [a_signature(a_space("unknown"))], 1)
        work.datasets.replace(new, given, 1)
        work.commit()
    with database.begin() as work:
        assert work.datasets.get("d") == new
        assert {signature.data for signature in work.datasets.signatures("d")} == {b"1", b"2 new", b"3"}
        assert work.datasets.page(Filter(text="street", tags=("street",)), None, 5).total == 1
        assert work.datasets.page(Filter(text="digits"), None, 5).total == 0


def test_a_dataset_in_use_stays(database: Database) -> None:
    space = put_space(database)
    signature = a_signature(space)
    with database.begin() as work:
        work.datasets.add(a_dataset("d", signature), [signature])
        for n in range(7):
            work.models.add(a_model(f"m{n}", dataset_id="d"))
        work.commit()
    with database.begin() as work:
        with pytest.raises(PreconditionFailed) as caught:
            work.datasets.delete("d")
        refused(caught, Reason.STILL_REFERENCED, "7 models", "m0", "2 more")
        with pytest.raises(PreconditionFailed) as space_caught:
            work.spaces.delete(space.digest)
        refused(space_caught, Reason.STILL_REFERENCED, "1 dataset ", "'d'")
        for n in range(7):
            work.models.delete(f"m{n}")
        work.datasets.delete("d")
        work.spaces.delete(space.digest)
        work.commit()
    with database.begin() as work:
        assert list(work.datasets.scan_signatures()) == []
        assert work.spaces.page(None, None, 5).total == 0


def test_models_of_a_dataset(database: Database) -> None:
    put_dataset(database, "d")
    put_models(database, a_model("b", dataset_id="d"), a_model("a", dataset_id="d"), a_model("c"))
    with database.begin() as work:
        assert list(work.models.by_dataset("d")) == ["a", "b"]
        assert list(work.models.by_dataset("")) == []


def test_a_space_comes_back_as_it_went_in(database: Database) -> None:
    space = put_space(database, schema_digest=digest_of("schema"), modality=Modality.TABULAR)
    with database.begin() as work:
        assert work.spaces.get(space.digest) == space
        assert work.spaces.find(digest_of("schema"), space.featuriser) == space


def test_a_schema_has_one_space_for_each_featuriser(database: Database) -> None:
    schema = digest_of("schema")
    put_space(database, "one", schema_digest=schema, featuriser="tabular-robust@1")
    with database.begin() as work:
        for taken in (
            a_space("one", featuriser="other@1"),
            a_space("two", schema_digest=schema, featuriser="tabular-robust@1"),
        ):
            with pytest.raises(AlreadyExists) as caught:
                work.spaces.add(taken)
            refused(caught, Reason.NAME_TAKEN)
        work.spaces.add(a_space("three", schema_digest=schema, featuriser="tabular-robust@2"))
        work.spaces.add(a_space("four"))
        work.spaces.add(a_space("five"))
        work.commit()
    with database.begin() as work:
        assert work.spaces.page(None, None, 10).total == 4


def test_only_the_description_of_a_space_changes(database: Database) -> None:
    space = put_space(database)
    with database.begin() as work:
        with pytest.raises(Conflict):
            work.spaces.replace(space, 2)
        work.spaces.replace(replace(space, description="New.", document="{}", dimension=1, revision=2), 1)
        work.commit()
    with database.begin() as work:
        assert work.spaces.get(space.digest) == replace(space, description="New.", revision=2)


def test_spaces_page_by_digest_and_modality(database: Database) -> None:
    spaces = [put_space(database, f"image {n}") for n in range(5)]
    put_space(database, "text", modality=Modality.TEXT)
    expected = sorted(spaces, key=lambda space: space.digest)

    def page(
        work: UnitOfWork, after: tuple[str, ...] | None
    ) -> tuple[tuple[FeatureSpace, ...], tuple[str, ...] | None]:
        found = work.spaces.page(Modality.IMAGE, after, 2)
        assert found.total == 5
        return found.items, found.after

    with database.begin() as work:
        seen: list[FeatureSpace] = []
        after: tuple[str, ...] | None = None
        for _ in range(3):
            items, after = page(work, after)
            seen += items
        assert seen == expected
        assert after is None
        assert work.spaces.page(None, None, 10).total == 6


def test_the_request_log_remembers_and_forgets(database: Database) -> None:
    record = RequestRecord("RegisterModel", digest_of("request"), "model-1")
    with database.begin() as work:
        work.requests.add("r1", record, NOW)
        work.requests.add("r2", replace(record, result_id="model-2"), later(10))
        assert work.requests.get("r1") == record
        work.commit()
    with database.begin() as work:
        with pytest.raises(AlreadyExists) as caught:
            work.requests.add("r1", record, later(20))
        refused(caught, Reason.REQUEST_ID_REUSED, "r1")
        assert work.requests.forget_before(later(10)) == 1
        work.commit()
    with database.begin() as work:
        assert work.requests.get("r1") is None
        assert work.requests.get("r2") == replace(record, result_id="model-2")


def test_texts_of_every_script_come_back(database: Database) -> None:
    odd = "quotes '\" percent %s :name back\\slash \n tab\t emoji 🦊 combining e\u0301 rtl \u202e עברית {} $1"
    model: Model = a_model("a", name=odd, description=odd, licence=odd, tags=(odd,), classes=(odd,), card=odd)
    dataset: Dataset = a_dataset("d", name=odd, description=odd, tags=(odd,), licence=odd)
    put_models(database, model)
    with database.begin() as work:
        work.datasets.add(dataset, ())
        work.commit()
    with database.begin() as work:
        assert work.models.find(odd, "1") == model
        assert work.models.matching_ids(Filter(tags=(odd,), classes=(odd,), licences=(odd.upper(),))) == {"a"}
        assert work.datasets.get("d") == dataset
