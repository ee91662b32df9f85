"""What agents make of models, kept and fetched over a real socket; on each kind of database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from search_service.domain.ports import Database
from search_service.usecases.retention import Retention, prune
from tests.fake_agent import FakeAgent, a_profile, a_spec
from tests.service_in_process import Refusal, Running, chunk, header, refused, service_in_process, upload
from tests.small_zoo import make_card, write_net

MADE = bytes(range(256)) * 5_000
LARGEST = 2 << 20


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    with service_in_process(tmp_path, database, lease_s="300", largest_artifact_bytes=str(LARGEST)) as service:
        yield service


@pytest.fixture
def agent(running: Running) -> FakeAgent:
    return FakeAgent(running.agents).register()


def a_lease(running: Running, agent: FakeAgent, folder: Path, name: str = "net") -> gpb.Lease:
    """Of a job for a model that is registered for it."""
    write_net(folder / "net.onnx")
    data = (folder / "net.onnx").read_bytes()
    announced = upload(digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    messages = iter([header(json.dumps(make_card(name)), upload=announced), chunk(data)])
    model = running.registry.RegisterModel(messages).model
    spec = a_spec("onnxruntime", model_id=model.id)
    running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=spec))
    lease: gpb.Lease = agent.acquire().lease
    return lease


def keep(running: Running, lease: gpb.Lease, data: bytes = MADE, **fields: Any) -> None:
    told = {"lease": lease, "digest": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} | fields
    parts = (data[start : start + 500_000] for start in range(0, len(data), 500_000))
    messages = [gpb.KeepFormRequest(header=gpb.KeepFormRequest.Header(**told))]
    running.agents.KeepForm(iter([*messages, *(gpb.KeepFormRequest(chunk=part) for part in parts)]))


def a_form(data: bytes = MADE, **fields: Any) -> ppb.Form:
    batch = [types_pb2.Tensor.Dimension(symbol="n"), types_pb2.Tensor.Dimension(size=2), types_pb2.Tensor.Dimension()]
    values = {
        "format": "onnx",
        "digest": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "inputs": [types_pb2.Tensor(name="rows", element_type="float32", shape=batch)],
        "bound_to": {"gpu": "H100"},
        "kept": True,
    }
    return ppb.Form(**(values | fields))


def report(agent: FakeAgent, lease: gpb.Lease, form: ppb.Form | None) -> ppb.Job:
    return agent.complete(lease, a_profile("onnxruntime", form=form))


def download(running: Running, profile_id: str) -> bytes:
    request = jpb.DownloadFormRequest(profile_id=profile_id)
    return b"".join(message.chunk for message in running.profiling.DownloadForm(request))


def refusal(call: Any) -> Refusal:
    with refused() as caught:
        call()
    return caught[0]


def test_what_was_made_is_kept_and_fetched_by_its_profile(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    lease = a_lease(running, agent, tmp_path)
    keep(running, lease)
    keep(running, lease)
    (profile_id,) = report(agent, lease, a_form()).profile_ids
    found = running.profiling.GetProfile(jpb.GetProfileRequest(profile_id=profile_id)).profile.form
    assert found == a_form()
    assert download(running, profile_id) == MADE
    (listed,) = running.profiling.ListProfiles(jpb.ListProfilesRequest()).profiles
    assert listed.form == a_form()


def test_an_agent_cannot_say_that_something_is_kept(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    lease = a_lease(running, agent, tmp_path)
    (profile_id,) = report(agent, lease, a_form()).profile_ids
    found = running.profiling.GetProfile(jpb.GetProfileRequest(profile_id=profile_id)).profile.form
    assert found == a_form(kept=False)
    told = refusal(lambda: download(running, profile_id))
    assert (told.code, told.reason) == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert "measure it again" in told.message
    assert refusal(lambda: download(running, "prf_none")).reason == "PROFILE_NOT_FOUND"
    assert refusal(lambda: download(running, "")).fields.keys() == {"profile_id"}


def test_what_is_kept_of_one_model_is_not_of_another(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    first = a_lease(running, agent, tmp_path)
    keep(running, first)
    report(agent, first, a_form())
    other = a_lease(running, agent, tmp_path, "other")
    (profile_id,) = report(agent, other, a_form()).profile_ids
    assert refusal(lambda: download(running, profile_id)).reason == "ARTIFACT_NOT_FOUND"


def test_it_goes_with_its_model(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    lease = a_lease(running, agent, tmp_path)
    keep(running, lease)
    report(agent, lease, a_form())
    assert running.blobs.exists(a_form().digest)
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(name="net")))
    assert list(running.blobs.digests()) == []


def test_it_goes_with_the_last_profile_that_names_it(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    lease = a_lease(running, agent, tmp_path)
    keep(running, lease)
    report(agent, lease, a_form())
    experimenting = running.service._experimenting
    assert prune(experimenting, Retention(profiles=timedelta(0))).profiles == 0, "it is current"
    assert running.blobs.exists(a_form().digest)
    model = running.registry.GetModel(rpb.GetModelRequest(model=rpb.ModelReference(name="net"))).model
    running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=a_spec("onnxruntime", model_id=model.id)))
    report(agent, agent.acquire().lease, None)
    assert prune(experimenting, Retention(profiles=timedelta(0))).profiles == 1
    assert list(running.blobs.digests()) == [model.artifact.digest]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"digest": "ab" * 32}, "DIGEST_MISMATCH"),
        ({"size_bytes": 7}, "DIGEST_MISMATCH"),
        ({"size_bytes": 0}, "INVALID_FIELD"),
        ({"digest": "nonsense"}, "INVALID_FIELD"),
        ({"size_bytes": LARGEST + 1}, "TOO_LARGE"),
        ({"lease": gpb.Lease(job_id="job_x", attempt=1, fencing_token=1)}, "JOB_NOT_FOUND"),
        ({"lease": gpb.Lease()}, "INVALID_FIELD"),
    ],
)
def test_what_cannot_be_kept_leaves_nothing(
    running: Running, agent: FakeAgent, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    lease = a_lease(running, agent, tmp_path)
    before = set(running.blobs.digests())
    assert refusal(lambda: keep(running, **({"lease": lease} | fields))).reason == reason
    assert set(running.blobs.digests()) == before
    lost = gpb.Lease(job_id=lease.job_id, attempt=1, fencing_token=lease.fencing_token + 1)
    assert refusal(lambda: keep(running, lost)).reason == "LEASE_LOST"
    (profile_id,) = report(agent, lease, None).profile_ids
    assert not running.profiling.GetProfile(jpb.GetProfileRequest(profile_id=profile_id)).profile.HasField("form")


def test_a_job_without_a_model_has_nothing_made(running: Running, agent: FakeAgent) -> None:
    running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=a_spec()))
    told = refusal(lambda: keep(running, agent.acquire().lease))
    assert (told.code, "has no model" in told.message) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize(
    "fields",
    [
        {"digest": "nonsense"},
        {"size_bytes": 0},
        {"format": "x" * 300},
        {"inputs": [types_pb2.Tensor(name=f"t{n}") for n in range(1001)]},
        {"inputs": [types_pb2.Tensor(name="t", shape=[types_pb2.Tensor.Dimension(size=1)] * 65)]},
        {"bound_to": {"gpu": "x" * 3000}},
    ],
)
def test_a_form_that_cannot_be_is_refused(
    running: Running, agent: FakeAgent, tmp_path: Path, fields: dict[str, Any]
) -> None:
    lease = a_lease(running, agent, tmp_path)
    told = refusal(lambda: report(agent, lease, a_form(**fields)))
    assert told.code == "INVALID_ARGUMENT"
    assert all(path.startswith("profiles[0].form") for path in told.fields)
