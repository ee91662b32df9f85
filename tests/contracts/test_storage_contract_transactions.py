"""Every database makes a unit of work all or nothing, and keeps the order of its changes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from search_service.domain.catalog import Filter
from search_service.domain.errors import AlreadyExists, Conflict, NotFound
from search_service.domain.ports import Change, Database, RequestRecord
from tests.catalogue import NOW, a_dataset, a_model, a_signature, a_space, digest_of, put_dataset, put_models, put_space

WRITERS = 8


def test_leaving_without_commit_undoes_everything(database: Database) -> None:
    put_models(database, a_model("kept"))
    space = put_space(database, "kept")
    with database.begin() as work:
        signature = a_signature(space)
        work.spaces.add(a_space("new"))
        work.datasets.add(a_dataset("d", signature), [signature])
        work.models.add(a_model("m", dataset_id="d", classes=("never seen",)))
        work.models.delete("kept")
        work.requests.add("r", RequestRecord("m", digest_of("r"), "m"), NOW)
    with database.begin() as work:
        assert [model.id for model in work.models.scan()] == ["kept"]
        assert work.datasets.page(Filter(), None, 5).total == 0
        assert list(work.datasets.scan_signatures()) == []
        assert work.spaces.page(None, None, 5).items == (space,)
        assert work.requests.get("r") is None
        assert work.changes.last() == 1
        assert work.models.matching_ids(Filter(text="digits")) == {"kept"}


def test_an_exception_undoes_everything(database: Database) -> None:
    def fail() -> None:
        with database.begin() as work:
            work.models.add(a_model())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    put_models(database, a_model())  # the name is free and nothing is locked


def test_a_unit_of_work_ends_with_its_commit(database: Database) -> None:
    with database.begin() as work:
        work.models.add(a_model())
        work.commit()
        with pytest.raises(RuntimeError, match="has ended"):
            work.models.get("model-1")
        with pytest.raises(RuntimeError, match="has ended"):
            work.commit()
    with pytest.raises(RuntimeError, match="has ended"):
        work.models.add(a_model("model-2"))


def test_a_commit_without_changes_is_harmless(database: Database) -> None:
    with database.begin() as work:
        work.commit()
    with database.begin() as work:
        assert work.changes.last() == 0
        work.commit()


def test_what_is_not_committed_is_seen_by_nobody_else(database: Database) -> None:
    put_models(database, a_model("old"))
    with database.begin() as writer, database.begin() as reader:
        writer.models.add(a_model("new"))
        writer.models.delete("old")
        writer.datasets.add(a_dataset(), ())
        assert {model.id for model in writer.models.scan()} == {"new"}
        assert writer.changes.last() == 1
        assert {model.id for model in reader.models.scan()} == {"old"}
        assert reader.models.matching_ids(Filter(text="digits")) == {"old"}
        with pytest.raises(NotFound):
            reader.datasets.get("dataset-1")
        assert list(reader.changes.since(1, 10)) == []
        writer.commit()
        assert {model.id for model in reader.models.scan()} == {"new"}
        assert reader.datasets.get("dataset-1") == a_dataset()


def test_a_scan_reads_one_state_while_others_write(database: Database) -> None:
    put_models(database, *(a_model(f"m{n:04}") for n in range(1200)))
    with database.begin() as work:
        scan = work.models.scan()
        seen = {next(scan).id}
        with database.begin() as other:
            for n in range(1200):
                other.models.delete(f"m{n:04}")
            other.commit()
        seen |= {model.id for model in scan}
    assert len(seen) == 1200


def test_every_change_is_logged_in_order(database: Database) -> None:
    space = put_space(database)
    signature = a_signature(space)
    with database.begin() as work:
        work.datasets.add(a_dataset("d", signature), [signature])
        work.models.add(a_model("m", dataset_id="d"))
        work.commit()
    with database.begin() as work:
        work.models.replace(a_model("m", dataset_id="d", revision=2), 1)
        work.commit()
    with database.begin() as work:
        work.datasets.replace(a_dataset("d", signature, revision=2), [signature], 1)
        work.commit()
    with database.begin() as work:
        work.models.delete("m")
        work.datasets.delete("d")
        work.commit()
    expected = [
        Change(1, "dataset", "d"),
        Change(2, "model", "m"),
        Change(3, "model", "m"),
        Change(4, "dataset", "d"),
        Change(5, "model", "m"),
        Change(6, "dataset", "d"),
    ]
    with database.begin() as work:
        assert work.changes.last() == 6
        assert list(work.changes.since(0, 100)) == expected
        assert list(work.changes.since(2, 2)) == expected[2:4]
        assert list(work.changes.since(6, 2)) == []


def test_a_refused_change_is_not_logged(database: Database) -> None:
    put_models(database, a_model("a"))
    with database.begin() as work:
        with pytest.raises(Conflict):
            work.models.replace(a_model("a"), 9)
        with pytest.raises(AlreadyExists):
            work.models.add(a_model("a"))
        with pytest.raises(NotFound):
            work.datasets.delete("x")
        work.commit()
    with database.begin() as work:
        assert work.changes.last() == 1


def test_concurrent_writers_commit_their_changes_in_order(database: Database) -> None:
    """A follower that reads `since` its last sequence misses nothing, whenever it looks."""
    each = 12
    finished = threading.Event()

    def write(writer: int) -> None:
        for n in range(each):
            with database.begin() as work:
                work.models.add(a_model(f"w{writer}-{n}-a"))
                work.datasets.add(a_dataset(f"w{writer}-{n}-d"), ())
                if n % 3 == 0:
                    continue  # undone: leaves no gap and no change
                work.commit()

    def follow() -> list[Change]:
        seen: list[Change] = []
        while True:
            last_round = finished.is_set()
            with database.begin() as work:
                found = list(work.changes.since(seen[-1].sequence if seen else 0, 7))
                # What the change speaks of is there for whoever sees the change.
                models = work.models.get_many([change.id for change in found if change.kind == "model"])
                assert len(models) == sum(change.kind == "model" for change in found)
            seen += found
            if last_round and not found:
                return seen

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        follower = pool.submit(follow)
        try:
            for done in [pool.submit(write, writer) for writer in range(WRITERS)]:
                done.result()
        finally:
            finished.set()
        seen = follower.result()
    kept = WRITERS * (each - (each + 2) // 3)
    assert [change.sequence for change in seen] == list(range(1, 2 * kept + 1))
    assert len({change.id for change in seen}) == 2 * kept
    for model, dataset in zip(seen[::2], seen[1::2], strict=True):
        assert (model.kind, dataset.kind) == ("model", "dataset")
        assert model.id[:-1] == dataset.id[:-1], "changes of one transaction stand together"


def test_of_many_who_want_a_name_one_gets_it(database: Database) -> None:
    barrier = threading.Barrier(WRITERS)

    def register(writer: int) -> bool:
        barrier.wait()
        with database.begin() as work:
            try:
                work.models.add(a_model(f"m{writer}", name="wanted", classes=("shared", "list")))
            except AlreadyExists:
                return False
            work.commit()
            return True

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sum(pool.map(register, range(WRITERS))) == 1
    with database.begin() as work:
        assert work.models.page(Filter(classes=("shared",)), None, 10).total == 1


def test_of_many_who_change_a_model_nobody_overwrites_another(database: Database) -> None:
    put_models(database, a_model("m", description="0"))

    def add_one(_: int) -> None:
        for _attempt in count():
            with database.begin() as work:
                old = work.models.get("m")
                new = a_model("m", description=str(int(old.description) + 1), revision=old.revision + 1)
                try:
                    work.models.replace(new, old.revision)
                except Conflict:
                    continue
                work.commit()
                return

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(add_one, range(24)))
    with database.begin() as work:
        assert work.models.get("m").description == "24"


def test_a_dataset_is_never_deleted_under_a_model(database: Database) -> None:
    """Whichever of the two comes first, the other is refused."""
    for round_ in range(10):
        wanted = f"d{round_}"
        put_dataset(database, wanted)
        barrier = threading.Barrier(2)

        def delete(id: str = wanted, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.begin() as work:
                work.datasets.delete(id)
                work.commit()

        def refer(id: str = wanted, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.begin() as work:
                work.models.add(a_model(f"m-{id}", dataset_id=id))
                work.commit()

        with ThreadPoolExecutor(2) as pool:
            errors = [future.exception() for future in [pool.submit(delete), pool.submit(refer)]]
        assert sum(error is None for error in errors) == 1, errors
        with database.begin() as work:
            there = work.datasets.names([wanted])
            assert bool(there) == bool(work.models.get_many([f"m-{wanted}"]))


def test_a_blob_is_held_until_the_unit_of_work_ends(database: Database) -> None:
    digest = digest_of("blob")
    held, events = threading.Event(), []

    def second() -> None:
        held.wait()
        with database.begin() as work:
            work.hold_blob(digest)
            events.append("second holds")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with database.begin() as work:
            work.hold_blob(digest)
            work.hold_blob(digest)
            held.set()
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            events.append("first ends")
            work.commit()
        waiting.result(timeout=30)
    assert events == ["first ends", "second holds"]
