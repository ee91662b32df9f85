"""Every database keeps experiments and their cells."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from search_service.domain.errors import AlreadyExists, NotFound, Reason
from search_service.domain.experiments import Cell, Experiment
from search_service.domain.ports import Database
from tests.catalogue import NOW, later
from tests.profiling_objects import a_load, a_profile, a_variant


def an_experiment(id: str = "exp-1", **fields: object) -> Experiment:
    values = {
        "digest": f"digest of {id}",
        "name": "größer",
        "document": '{"models":["a"]}',
        "submitted_by": "ana",
        "created_at": NOW,
    }
    return Experiment(id=id, **(values | fields))  # type: ignore[arg-type]


def a_cell(position: int = 0, **fields: object) -> Cell:
    values = {"model_name": "größer@1", "model_id": "m", "variant": a_variant(), "load": a_load()}
    return Cell(position=position, **(values | fields))  # type: ignore[arg-type]


CELLS = (
    a_cell(0),
    a_cell(1, load=a_load(arrival="trace", parameters={}, trace_s=(0.0, 1.5)), host_class="cpu", job_id="j", retries=2),
    a_cell(2, model_id="", model_name="", remote_target="grpc://h:1/m", profile_id="p"),
)


def put(database: Database, experiment: Experiment, *cells: Cell) -> None:
    with database.begin() as work:
        work.experiments.add(experiment, cells)
        work.commit()


def test_they_come_back_as_they_were_added(database: Database) -> None:
    full = an_experiment(asking=True, cancelled_at=later(5))
    put(database, full, *CELLS)
    with database.begin() as work:
        assert work.experiments.get("exp-1") == full == work.experiments.find(full.digest)
        assert list(work.experiments.cells("exp-1")) == list(CELLS)
        assert list(work.experiments.cells("?")) == []


def test_an_unknown_one_is_not_found(database: Database) -> None:
    with database.begin() as work:
        for act in (
            work.experiments.get, work.experiments.find, work.experiments.lock, work.experiments.delete,
            lambda key: work.experiments.replace(an_experiment(key)),
        ):  # fmt: skip
            with pytest.raises(NotFound) as caught:
                act("?")
            assert caught.value.reason is Reason.EXPERIMENT_NOT_FOUND


def test_a_digest_has_one_experiment(database: Database) -> None:
    put(database, an_experiment(), *CELLS)
    with database.begin() as work, pytest.raises(AlreadyExists):
        work.experiments.add(an_experiment("exp-2", digest="digest of exp-1"), ())
    with database.begin() as work:
        assert work.experiments.page(None, 9).total == 1


def test_it_is_replaced_with_the_cells_that_changed(database: Database) -> None:
    put(database, an_experiment(), *CELLS)
    put(database, an_experiment("other"), *CELLS)
    changed = an_experiment(asking=True, name="b", submitted_by="bo", cancelled_at=later(1))
    with database.begin() as work:
        assert work.experiments.lock("exp-1") == an_experiment()
        work.experiments.replace(
            replace(changed, digest="another"), [replace(CELLS[2], job_id="j2", profile_id="", model_id="m2")]
        )
        work.commit()
    with database.begin() as work:
        assert work.experiments.get("exp-1") == changed, "its digest stays"
        cells = [*CELLS[:2], replace(CELLS[2], job_id="j2", profile_id="", model_id="m2")]
        assert list(work.experiments.cells("exp-1")) == cells
        assert list(work.experiments.cells("other")) == list(CELLS)


def test_nothing_stays_of_what_was_not_committed(database: Database) -> None:
    with database.begin() as work:
        work.experiments.add(an_experiment(), CELLS)
    with database.begin() as work:
        assert work.experiments.page(None, 9).total == 0
        assert list(work.experiments.cells("exp-1")) == []


def test_pages_are_newest_first(database: Database) -> None:
    for number in range(5):
        put(database, an_experiment(f"exp-{number}"))
    with database.begin() as work:
        first = work.experiments.page(None, 2)
        rest = work.experiments.page(first.after, 9)
    assert [item.id for item in (*first.items, *rest.items)] == [f"exp-{number}" for number in (4, 3, 2, 1, 0)]
    assert (first.total, rest.after) == (5, None)


def test_those_that_ask_are_found(database: Database) -> None:
    for number in range(4):
        put(database, an_experiment(f"exp-{number}", asking=number % 2 == 1))
    with database.begin() as work:
        assert list(work.experiments.asking()) == ["exp-1", "exp-3"]


def test_a_cell_is_open_until_it_has_a_job_or_a_profile(database: Database) -> None:
    put(database, an_experiment("open"), a_cell(0, job_id="j"), a_cell(1))
    put(database, an_experiment("asked"), a_cell(0, job_id="j"), a_cell(1, profile_id="p"))
    with database.begin() as work:
        assert [work.experiments.has_open(key) for key in ("open", "asked", "?")] == [True, False, False]


def test_one_is_deleted_with_its_cells(database: Database) -> None:
    put(database, an_experiment(), *CELLS)
    put(database, an_experiment("other"), *CELLS)
    with database.begin() as work:
        work.experiments.delete("exp-1")
        work.commit()
    with database.begin() as work:
        assert [item.id for item in work.experiments.page(None, 9).items] == ["other"]
        assert list(work.experiments.cells("exp-1")) == []
        assert list(work.experiments.cells("other")) == list(CELLS)
    put(database, an_experiment())
    with database.begin() as work:
        assert [item.id for item in work.experiments.page(None, 9).items] == ["exp-1", "other"], "as a new one"


def test_profiles_are_referred_to_by_a_cell_or_by_its_job(database: Database) -> None:
    profiles = [a_profile("named"), a_profile("given", job_id="j"), a_profile("free", job_id="another")]
    with database.begin() as work:
        work.profiles.add(profiles)
        work.commit()
    put(database, an_experiment(), a_cell(0, profile_id="named"), a_cell(1, job_id="j"), a_cell(2))
    with database.begin() as work:
        assert work.experiments.referred(["named", "given", "free", "?"]) == {"named", "given"}
        work.experiments.delete("exp-1")
        assert work.experiments.referred(["named", "given", "free"]) == frozenset()


def test_who_locks_one_keeps_others_from_changing_it(database: Database) -> None:
    put(database, an_experiment(), a_cell())
    seen: list[str] = []

    def add_to_name(letter: str) -> None:
        with database.begin() as work:
            held = work.experiments.lock("exp-1")
            seen.append(held.name)
            work.experiments.replace(replace(held, name=held.name + letter))
            work.commit()

    threads = [threading.Thread(target=add_to_name, args=(letter,)) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin() as work:
        assert sorted(work.experiments.get("exp-1").name.removeprefix("größer")) == list("abcdef")
    assert len(set(seen)) == len(threads)
