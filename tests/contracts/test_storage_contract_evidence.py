"""Every database keeps evaluation samples, evaluations, validation statistics and predictors in the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.evaluation import MeasuredBy, SampleKind
from search_service.domain.ports import Database
from tests.catalogue import NOW, a_model, digest_of, later, put_dataset, put_models
from tests.evidence_objects import (
    a_predictor,
    a_target,
    a_validation,
    a_validation_sample,
    an_evaluation,
    put_evaluations,
    put_samples,
)

TARGET, VALIDATION = SampleKind.TARGET, SampleKind.VALIDATION


def test_a_sample_comes_back_as_it_was(database: Database) -> None:
    put_dataset(database, "dataset-1")
    target = a_target("t", has_rows=False)
    labelled = a_validation_sample("v", "dataset-1")
    put_samples(database, target, labelled)
    with database.begin() as work:
        assert work.evaluation_samples.get("t") == target
        assert work.evaluation_samples.get("v") == labelled
        assert work.evaluation_samples.get_many(["v", "x", "t"]) == {"v": labelled, "t": target}
        with pytest.raises(NotFound) as caught:
            work.evaluation_samples.get("x")
        assert caught.value.reason is Reason.EVALUATION_SAMPLE_NOT_FOUND


def test_a_sample_of_an_unknown_dataset_is_refused(database: Database) -> None:
    with pytest.raises(NotFound) as caught:
        put_samples(database, a_validation_sample("v", "nothing"))
    assert caught.value.reason is Reason.DATASET_NOT_FOUND


def test_find_tells_purposes_and_tokens_apart(database: Database) -> None:
    put_dataset(database, "dataset-1")
    digest = digest_of("the same bytes")
    ours = a_target("t1", digest=digest)
    theirs = a_target("t2", digest=digest, token_id="token-2")
    labelled = a_validation_sample("v", "dataset-1", digest=digest)
    put_samples(database, ours, theirs, labelled)
    with database.begin() as work:
        find = work.evaluation_samples.find
        assert find(TARGET, digest, "", "token-1") == ours
        assert find(TARGET, digest, "", "token-2") == theirs
        assert find(VALIDATION, digest, "dataset-1", "token-1") == labelled
        assert find(VALIDATION, digest, "", "token-1") is None
        assert find(TARGET, digest, "", "token-3") is None
        assert find(TARGET, digest_of("others"), "", "token-1") is None


def test_pages_show_what_the_token_may_see(database: Database) -> None:
    put_dataset(database, "dataset-1")
    put_dataset(database, "dataset-2")
    put_samples(
        database,
        a_target("t1"),
        a_target("t2", token_id="token-2"),
        a_validation_sample("v1", "dataset-1", token_id="token-2"),
        a_target("t3"),
        a_validation_sample("v2", "dataset-2"),
        a_target("gone", expires_at=later(1)),
    )
    with database.begin() as work:

        def ids(kind: SampleKind | None, dataset: str = "", token: str = "token-1") -> list[str]:
            found, after = [], None
            while True:
                page = work.evaluation_samples.page(kind, dataset, token, later(1), after=after, size=2)
                found += [sample.id for sample in page.items]
                if page.after is None:
                    assert page.total == len(found)
                    return found
                after = page.after

        assert ids(None) == ["v2", "t3", "v1", "t1"]
        assert ids(TARGET) == ["t3", "t1"]
        assert ids(TARGET, token="token-2") == ["t2"]
        assert ids(VALIDATION, "dataset-1") == ["v1"]
        assert ids(None, "nothing") == []


def test_samples_expire_and_can_be_kept_longer(database: Database) -> None:
    put_dataset(database, "dataset-1")
    put_samples(database, a_target("t1", expires_at=later(1)), a_target("t2"), a_validation_sample("v", "dataset-1"))
    with database.begin() as work:
        assert work.evaluation_samples.expired(later(0.5), 10) == []
        assert work.evaluation_samples.expired(later(1), 10) == ["t1"]
        assert len(work.evaluation_samples.expired(later(10**6), 1)) == 1
        work.evaluation_samples.extend("t1", later(99))
        with pytest.raises(NotFound):
            work.evaluation_samples.extend("x", later(99))
        assert work.evaluation_samples.expired(later(1), 10) == []
        assert work.evaluation_samples.get("t1") == a_target("t1", expires_at=later(99))


def test_stored_bytes_are_those_of_a_token_that_have_not_expired(database: Database) -> None:
    put_dataset(database, "dataset-1")
    put_samples(
        database,
        a_target("t1", size_bytes=3 << 32, expires_at=later(1)),
        a_target("t2", size_bytes=50, expires_at=later(2)),
        a_target("t3", size_bytes=7, token_id="other", expires_at=later(2)),
        a_validation_sample("v", "dataset-1", size_bytes=600),
    )
    with database.begin() as work:
        kept = [work.evaluation_samples.stored_bytes("token-1", later(time)) for time in (0, 1, 2)]
        assert kept == [(3 << 32) + 650, 650, 600]
        assert work.evaluation_samples.stored_bytes("nobody", later(0)) == 0


def test_an_evaluation_comes_back_and_is_replaced(database: Database) -> None:
    put_models(database, a_model("m1"), a_model("m2"))
    put_samples(database, a_target("t"))
    first = an_evaluation("m1", "t")
    bare = an_evaluation("m2", "t", correct=None, counted=None, job_id="", problem="", skipped_count=0)
    put_evaluations(database, first, bare)
    with database.begin() as work:
        assert work.evaluations.get("m1", "t") == first
        assert work.evaluations.get("m1", "other") is None
        assert work.evaluations.on_sample("t", ["m2", "m1", "x"]) == {"m1": first, "m2": bare}
        assert work.evaluations.on_sample("t", ["m2"]) == {"m2": bare}
        assert sorted(work.evaluations.outputs_on("t")) == sorted([first.outputs_digest, bare.outputs_digest])
        assert work.evaluations.outputs_on("other") == []
    second = replace(first, outputs_digest=digest_of("again"), correct=1)
    put_evaluations(database, second)
    with database.begin() as work:
        assert work.evaluations.get("m1", "t") == second
        page = work.evaluations.page("", "", "token-1", NOW, after=None, size=5)
        assert page.items == (second, bare), "what was replaced counts as new"
        assert not work.evaluations.uses_blob(first.outputs_digest)
        assert work.evaluations.uses_blob(second.outputs_digest)
        assert not work.evaluations.uses_blob("")


def test_an_evaluation_of_nothing_is_refused(database: Database) -> None:
    put_models(database, a_model("m1"))
    put_samples(database, a_target("t"))
    for wrong, reason in (
        (an_evaluation("x", "t"), Reason.MODEL_NOT_FOUND),
        (an_evaluation("m1", "x"), Reason.EVALUATION_SAMPLE_NOT_FOUND),
    ):
        with pytest.raises(NotFound) as caught:
            put_evaluations(database, wrong)
        assert caught.value.reason is reason


def test_outputs_are_found_by_what_gave_them(database: Database) -> None:
    put_models(database, a_model("m1"), a_model("m2"), a_model("m3"))
    digest, subject = digest_of("rows"), digest_of("artifact")
    put_samples(database, a_target("t1", digest=digest), a_target("t2", digest=digest, token_id="token-2"))
    added = an_evaluation("m2", "t1", subject=subject, measured_by=MeasuredBy.OUTPUTS)
    put_evaluations(database, added)
    with database.begin() as work:
        assert work.evaluations.same_outputs(subject, digest) is None, "only an agent's word counts for others"
    ran = an_evaluation("m1", "t1", subject=subject)
    put_evaluations(database, ran)
    with database.begin() as work:
        assert work.evaluations.same_outputs(subject, digest) == ran
        assert work.evaluations.same_outputs(subject, digest_of("others")) is None
        assert work.evaluations.same_outputs(digest_of("others"), digest) is None


def test_evaluations_on_the_targets_of_others_are_not_shown(database: Database) -> None:
    put_dataset(database, "dataset-1")
    put_models(database, a_model("m1"), a_model("m2"))
    put_samples(database, a_target("t1"), a_target("t2", token_id="token-2"), a_validation_sample("v", "dataset-1"))
    every = [an_evaluation(model, sample) for sample in ("t1", "t2", "v") for model in ("m1", "m2")]
    put_evaluations(database, *every)
    with database.begin() as work:

        def pairs(model_id: str = "", sample_id: str = "") -> list[tuple[str, str]]:
            found, after = [], None
            while True:
                page = work.evaluations.page(model_id, sample_id, "token-1", NOW, after=after, size=3)
                found += [(one.model_id, one.sample_id) for one in page.items]
                if page.after is None:
                    assert page.total == len(found)
                    return found
                after = page.after

        assert pairs() == [("m2", "v"), ("m1", "v"), ("m2", "t1"), ("m1", "t1")]
        assert pairs("m1") == [("m1", "v"), ("m1", "t1")]
        assert pairs("m1", "t2") == []
        assert pairs("", "v") == [("m2", "v"), ("m1", "v")]
        found = {(one.model_id, one.sample_id) for one in work.evaluations.on_validation_samples()}
        assert found == {("m1", "v"), ("m2", "v")}
        assert work.evaluations.count_on_validation_samples() == 2


def test_evaluations_go_with_model_sample_and_dataset(database: Database) -> None:
    put_dataset(database, "dataset-1")
    put_models(database, a_model("m1"), a_model("m2"))
    put_samples(database, a_target("t"), a_validation_sample("v", "dataset-1"))
    put_evaluations(database, *[an_evaluation(model, sample) for sample in ("t", "v") for model in ("m1", "m2")])
    with database.begin() as work:
        work.models.delete("m1")
        assert work.evaluations.get("m1", "t") is None
        assert work.evaluations.get("m2", "t") is not None
        work.evaluation_samples.delete("t")
        assert work.evaluations.get("m2", "t") is None
        with pytest.raises(NotFound):
            work.evaluation_samples.delete("t")
        assert work.evaluations.get("m2", "v") is not None
        work.datasets.delete("dataset-1")
        assert work.evaluation_samples.get_many(["v"]) == {}
        assert work.evaluations.count_on_validation_samples() == 0
        work.commit()


def test_uses_blob_looks_at_rows_and_points(database: Database) -> None:
    put_samples(database, a_target("t1"), a_target("t2", has_rows=False))
    with database.begin() as work:
        uses = work.evaluation_samples.uses_blob
        assert uses(digest_of("t1"))
        assert uses(digest_of("points of t1"))
        assert not uses(digest_of("t2")), "rows that are not stored"
        assert uses(digest_of("points of t2"))
        assert not uses("")


def test_validation_statistics_are_kept_with_their_model(database: Database) -> None:
    put_models(database, a_model("m1"), a_model("m2", validation=a_validation()))
    with database.begin() as work:
        assert work.models.get("m1").validation is None
        assert work.models.get("m2").validation == a_validation()
        bare = a_validation(class_prior=(), sample_digest="", measured_by=MeasuredBy.CLIENT)
        work.models.replace(replace(work.models.get("m1"), validation=bare, revision=2), 1)
        work.commit()
    with database.begin() as work:
        assert work.models.get("m1").validation == bare
        assert {model.id: model.validation for model in work.models.scan()} == {"m1": bare, "m2": a_validation()}


def test_predictors_are_kept_by_version(database: Database) -> None:
    with database.begin() as work:
        assert work.predictors.newest() is None
        work.predictors.add(a_predictor(1))
        work.predictors.add(a_predictor(3))
        work.predictors.add(a_predictor(2))
        with pytest.raises(AlreadyExists):
            work.predictors.add(a_predictor(3, digest=digest_of("another")))
        assert work.predictors.newest() == a_predictor(3)
        work.commit()
    with database.begin() as work:
        assert work.predictors.uses_blob(a_predictor(1).digest)
        gone = work.predictors.forget_before(3)
        assert sorted(gone) == sorted([a_predictor(1).digest, a_predictor(2).digest])
        assert work.predictors.forget_before(3) == []
        assert not work.predictors.uses_blob(a_predictor(1).digest)
        assert work.predictors.newest() == a_predictor(3)
