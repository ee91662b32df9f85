"""Every database remembers which files agents made of which models."""

from __future__ import annotations

import pytest

from search_service.domain.errors import NotFound, Reason
from search_service.domain.ports import Database
from tests.catalogue import a_model, digest_of, put_models

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


def test_a_file_of_an_unknown_model_is_refused(database: Database) -> None:
    with database.begin() as work, pytest.raises(NotFound) as caught:
        work.forms.add("?", ONE, 7)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
