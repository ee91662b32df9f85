"""Targets are private to the token that stored them; what counts for everybody needs a publisher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from search_service.api.service import open_access
from search_service.domain.access import Role
from search_service.domain.ports import Database
from search_service.usecases.tokens import create_token
from tests.evaluation_at_work import SmallRegistry, a_target_table, complete, fill_registry, rows_of, some_outputs
from tests.fake_agent import Metadata, bearer
from tests.service_in_process import refusal, service_in_process
from tests.small_zoo import make_table

TARGET = rows_of(a_target_table())
LABELLED = rows_of(make_table(0.0, 60))


class Guarded:
    """A registry whose service requires tokens: a publisher's, and those of two readers and two agents."""

    def __init__(self, registry: SmallRegistry, secrets: dict[str, str]) -> None:
        self.registry = registry
        self.by = {name: bearer(secret) for name, secret in secrets.items()}


@pytest.fixture
def guarded(tmp_path: Path, database: Database) -> Iterator[Guarded]:
    """On each kind of database."""
    with service_in_process(tmp_path, database, require_tokens="always") as running:
        access = open_access(database)
        roles = {
            "publisher": Role.PUBLISHER,
            "ann": Role.READER,
            "bob": Role.READER,
            "agent": Role.AGENT,
            "other": Role.AGENT,
        }
        secrets = {name: create_token(access, name, role)[1] for name, role in roles.items()}
        yield Guarded(fill_registry(running, tmp_path, bearer(secrets["publisher"])), secrets)


def test_a_target_is_there_for_its_token_alone(guarded: Guarded) -> None:
    registry, ann, bob = guarded.registry, guarded.by["ann"], guarded.by["bob"]
    sample = registry.put_sample(TARGET, ann).sample
    registry.add_outputs("near", sample.id, some_outputs(60), metadata=ann)
    assert len(registry.evaluations(ann)) == 1
    get = epb.GetEvaluationSampleRequest(sample_id=sample.id)
    drop = epb.DeleteEvaluationSampleRequest(sample_id=sample.id)
    for other in (bob, guarded.by["publisher"]):
        assert registry.evaluations(other) == []
        assert samples(registry, other) == []
        for call in (
            lambda other=other: registry.stub.GetEvaluationSample(get, metadata=other),
            lambda other=other: registry.stub.DeleteEvaluationSample(drop, metadata=other),
            lambda other=other: registry.evaluate(sample.id, metadata=other, allow_waiting=True),
            lambda other=other: registry.add_outputs("near", sample.id, some_outputs(60), metadata=other),
            lambda other=other: registry.download_outputs("near", sample.id, metadata=other),
        ):
            found = refusal(call)
            assert (found.code, found.reason) == ("NOT_FOUND", "EVALUATION_SAMPLE_NOT_FOUND")
    assert registry.put_sample(TARGET, bob).sample.id != sample.id, "the same bytes, and yet another's sample"
    assert samples(registry, ann) == [sample.id]
    registry.stub.DeleteEvaluationSample(drop, metadata=ann)
    assert registry.put_sample(TARGET, bob).sample.row_count == 60, "his rows are still there"


def samples(registry: SmallRegistry, metadata: Metadata) -> list[str]:
    answer = registry.stub.ListEvaluationSamples(epb.ListEvaluationSamplesRequest(), metadata=metadata)
    return [sample.id for sample in answer.samples]


def test_what_counts_for_everybody_needs_a_publisher(guarded: Guarded) -> None:
    registry, ann, publisher = guarded.registry, guarded.by["ann"], guarded.by["publisher"]
    sample = registry.put_validation_sample(LABELLED, metadata=publisher)
    assert samples(registry, ann) == [sample.id], "everybody sees it"
    statistics = types_pb2.Validation(accuracy=1, row_count=1, temperature=1, mean_confidence=1)
    request = epb.PutValidationRequest(model=rpb.ModelReference(name="near"), validation=statistics)
    drop = epb.DeleteEvaluationSampleRequest(sample_id=sample.id)
    for call in (
        lambda: registry.put_validation_sample(LABELLED, metadata=ann),
        lambda: registry.add_outputs("near", sample.id, some_outputs(60), metadata=ann),
        lambda: registry.stub.DeleteEvaluationSample(drop, metadata=ann),
        lambda: registry.stub.PutValidation(request, metadata=ann),
    ):
        assert refusal(call).code == "PERMISSION_DENIED"
    registry.add_outputs("near", sample.id, some_outputs(60), metadata=publisher)
    assert len(registry.evaluations(ann)) == 1
    assert refusal(lambda: registry.download_outputs("near", sample.id, metadata=ann)).code == "PERMISSION_DENIED"
    assert len(registry.download_outputs("near", sample.id, metadata=publisher)[1]) == 60
    registry.stub.DeleteEvaluationSample(drop, metadata=publisher)
    assert samples(registry, publisher) == []


def test_an_agent_reads_rows_only_under_its_lease(guarded: Guarded) -> None:
    registry, ann = guarded.registry, guarded.by["ann"]
    agent = registry.agent("one", guarded.by["agent"])
    other = registry.agent("two", guarded.by["other"])
    sample = registry.put_sample(TARGET, ann).sample
    registry.evaluate(sample.id, "near", metadata=ann)
    lease = agent.acquire().lease
    assert b"".join(agent.fetch(lease, 3)) == TARGET
    for call in (lambda: other.fetch(lease, 3), lambda: complete(other, lease, some_outputs(60))):
        assert refusal(call).code == "PERMISSION_DENIED"
    assert refusal(lambda: registry.evaluations(guarded.by["agent"])).code == "PERMISSION_DENIED"
    complete(agent, lease, some_outputs(60))
    assert refusal(lambda: agent.fetch(lease, 3)).reason == "LEASE_LOST"
    assert len(registry.evaluations(ann)) == 1
