"""Every database remembers which files agents made of which models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_service.domain.errors import NotFound, Reason
from search_service.domain.ports import Database
from tests.catalogue import a_model, digest_of, put_models
from tests.profiling_objects import (
    A_FORM,
    a_job,
    a_profile,
    a_spec,
    an_agent,
    put_agents,
    put_jobs,
    put_profiles,
    take,
)

ONE, TWO = sorted([digest_of("one"), digest_of("two")])


def test_files_are_kept_by_model_and_digest(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    with database.begin() as work:
        for model_id, digest in (("m", TWO), ("m", ONE), ("n", ONE), ("m", ONE)):
            work.forms.add(model_id, digest, 7)
        work.commit()
    with database.begin() as work:
        assert list(work.forms.of_model("m")) == [ONE, TWO]
        assert list(work.forms.of_model("?")) == []
        assert work.forms.has("n", ONE)
        assert not work.forms.has("n", TWO)
        assert work.forms.uses_blob(TWO)
        assert not work.forms.uses_blob(digest_of("three"))


def test_files_go_with_their_model(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    with database.begin() as work:
        work.forms.add("m", ONE, 7)
        work.forms.add("n", ONE, 7)
        work.models.delete("m")
        work.commit()
    with database.begin() as work:
        assert list(work.forms.of_model("m")) == []
        assert work.forms.uses_blob(ONE)
        work.models.delete("n")
        work.commit()
    with database.begin() as work:
        assert not work.forms.uses_blob(ONE)


def test_what_no_profile_names_is_deleted_unless_an_agent_may_be_about_to_name_it(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"), a_model("busy"))
    put_agents(database, an_agent())
    put_jobs(database, a_job(spec=a_spec(model_id="busy")))
    assert take(database, an_agent()) is not None
    put_profiles(database, a_profile(model_id="m", form=replace(A_FORM, digest=ONE)), a_profile("bare", model_id="n"))
    with database.begin() as work:
        for model_id, digest in (("m", ONE), ("m", TWO), ("n", ONE), ("n", TWO), ("busy", TWO)):
            work.forms.add(model_id, digest, 7)
        work.commit()
    with database.begin() as work:
        assert len(work.forms.delete_unused(1)) == 1
        assert len(work.forms.delete_unused(9)) == 2
        assert list(work.forms.delete_unused(9)) == []
        work.commit()
    with database.begin() as work:
        kept = {model_id: list(work.forms.of_model(model_id)) for model_id in ("m", "n", "busy")}
    assert kept == {"m": [ONE], "n": [], "busy": [TWO]}


def test_a_file_of_an_unknown_model_is_refused(database: Database) -> None:
    with database.begin() as work, pytest.raises(NotFound) as caught:
        work.forms.add("?", ONE, 7)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
