"""Tokens over real TLS: who may call what, who is refused and how, and what becomes of agents and their leases."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs
from typer.testing import CliRunner

from msearch.v1 import access_service_pb2 as apb
from msearch.v1 import access_service_pb2_grpc as access_grpc
from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import agent_service_pb2_grpc as agent_grpc
from msearch.v1 import benchmark_service_pb2 as bpb
from msearch.v1 import benchmark_service_pb2_grpc as benchmark_grpc
from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import evaluation_service_pb2_grpc as evaluation_grpc
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import profiling_service_pb2_grpc as profiling_grpc
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import registry_service_pb2_grpc as registry_grpc
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import search_service_pb2_grpc as search_grpc
from search_service.__main__ import app
from search_service.api.authentication import REMEMBERED_S, Tokens
from search_service.api.permissions import INCLUDED, LEAST_ROLES, allows
from search_service.api.server import SERVICES
from search_service.api.service import open_access
from search_service.domain.access import Caller, Role
from search_service.domain.errors import Unauthenticated, Unavailable
from search_service.domain.ports import Database
from search_service.storage import open_database
from search_service.usecases.tokens import create_token, digest_secret
from tests.certificates import Authority
from tests.fake_agent import FakeAgent, a_profile, a_spec, an_agent, bearer
from tests.service_in_process import Running, card, header, refusal, service_in_process
from tests.service_process import service_process

STUBS = {
    "RegistryService": (rpb, registry_grpc.RegistryServiceStub),
    "SearchService": (spb, search_grpc.SearchServiceStub),
    "ProfilingService": (jpb, profiling_grpc.ProfilingServiceStub),
    "BenchmarkService": (bpb, benchmark_grpc.BenchmarkServiceStub),
    "AgentService": (gpb, agent_grpc.AgentServiceStub),
    "EvaluationService": (epb, evaluation_grpc.EvaluationServiceStub),
    "AccessService": (apb, access_grpc.AccessServiceStub),
}


def every_rpc() -> list[Any]:
    """The descriptors of all methods of msearch."""
    found = []
    for module, _ in STUBS.values():
        for service in module.DESCRIPTOR.services_by_name.values():
            found += service.methods
    return found


def path_of(method: Any) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


@dataclass(frozen=True)
class Guarded:
    """A service that requires tokens, and a token of each role."""

    running: Running
    secrets: dict[Role, str]

    def call(self, method: Any, secret: str | None) -> str:
        """The status code of a call with an empty request."""
        module, stub = STUBS[method.containing_service.name]
        request: Any = getattr(module, method.input_type.name)()
        call = getattr(stub(self.running.channel), method.name)
        if method.client_streaming:
            request = iter([request])
        try:
            answer = call(request, metadata=bearer(secret) if secret is not None else (), timeout=20)
            if method.server_streaming:
                list(answer)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def token(self, name: str, role: Role, ends: datetime | None = None) -> str:
        """A further token."""
        return create_token(open_access(self.running.database), name, role, ends)[1]


@pytest.fixture
def guarded(tmp_path: Path, database: Database) -> Iterator[Guarded]:
    """Over real TLS, on each kind of database."""
    with guard(tmp_path, database) as found:
        yield found


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One that no test changes."""
    with guard(tmp_path_factory.mktemp("still")) as found:
        yield found


@contextmanager
def guard(folder: Path, database: Database | None = None) -> Iterator[Guarded]:
    """A service over TLS that always requires tokens."""
    authority = Authority(folder)
    server = authority.sign("server")
    with service_in_process(
        folder, database, credentials=grpc.ssl_channel_credentials(authority.certificate.read_bytes()),
        listen_tls_cert=str(server.certificate), listen_tls_key=str(server.key), require_tokens="always", lease_s="300",
    ) as running:  # fmt: skip
        access = open_access(running.database)
        yield Guarded(running, {role: create_token(access, f"the {role}", role)[1] for role in Role})


def test_every_rpc_has_its_role() -> None:
    ours = {path for path in LEAST_ROLES if path.startswith("/msearch.")}
    assert ours == {path_of(method) for method in every_rpc()}
    assert {path.split("/")[1] for path in ours} == set(SERVICES)
    assert {path: role for path, role in LEAST_ROLES.items() if "AgentService" in path} == {
        path_of(method): Role.AGENT for method in gpb.DESCRIPTOR.services_by_name["AgentService"].methods
    }
    assert set(INCLUDED) == set(Role)
    assert not allows(Role.PUBLISHER, "/some.other.Service/Method")
    assert allows(Role.ADMIN, "/some.other.Service/Method")


@pytest.mark.parametrize("method", every_rpc(), ids=lambda method: method.name)
def test_each_call_is_for_its_roles_alone(still: Guarded, method: Any) -> None:
    assert still.call(method, None) == "UNAUTHENTICATED"
    assert still.call(method, "msearch_made_up") == "UNAUTHENTICATED"
    for role, secret in still.secrets.items():
        code = still.call(method, secret)
        if allows(role, path_of(method)):
            assert code not in ("UNAUTHENTICATED", "PERMISSION_DENIED", "INTERNAL", "UNKNOWN", "UNIMPLEMENTED"), role
        else:
            assert code == "PERMISSION_DENIED", role


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ((), "carries none"),
        ((("authorization", ""),), "must carry one"),
        ((("authorization", "Basic {secret}"),), "must carry one"),
        ((("authorization", "{secret}"),), "must carry one"),
        ((("authorization", "Bearer {secret}"), ("authorization", "Bearer {secret}")), "must carry one"),
        ((("authorization", "Bearer"),), "must carry one"),
        ((("authorization", "Bearer  "),), "unknown"),
        ((("authorization", "Bearer {secret}x"),), "unknown"),
        ((("authorization", "Bearer " + "x" * 5000),), "unknown"),
    ],
)
def test_what_is_no_sound_token_is_refused(still: Guarded, metadata: Any, words: str) -> None:
    secret = still.secrets[Role.ADMIN]
    filled = [(key, value.format(secret=secret)) for key, value in metadata]
    answer = refusal(lambda: still.running.search.ListScores(spb.ListScoresRequest(), metadata=filled))
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert words in answer.message
    assert secret not in answer.message
    assert answer.request_id


def test_the_scheme_may_be_written_as_anybody_likes(still: Guarded) -> None:
    metadata = (("authorization", f"bEARER {still.secrets[Role.READER]}"),)
    assert still.running.search.ListScores(spb.ListScoresRequest(), metadata=metadata).scores


def test_a_refusal_says_which_role_would_do(still: Guarded) -> None:
    metadata = bearer(still.secrets[Role.READER])
    answer = refusal(lambda: still.running.access.ListTokens(apb.ListTokensRequest(), metadata=metadata))
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    for word in ("the reader", "ListTokens", "needs admin"):
        assert word in answer.message


def test_health_is_open_and_reflection_is_not(still: Guarded) -> None:
    channel = still.running.channel
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", *SERVICES):
        found = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert found.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)

    def services(secret: str | None) -> set[str]:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        metadata = bearer(secret) if secret else ()
        (answer,) = stub.ServerReflectionInfo(iter([request]), metadata=metadata)
        return {service.name for service in answer.list_services_response.service}

    assert refusal(lambda: services(None)).code == "UNAUTHENTICATED"
    assert refusal(lambda: services(still.secrets[Role.AGENT])).code == "PERMISSION_DENIED"
    assert services(still.secrets[Role.READER]) > set(SERVICES)


def test_tokens_are_made_listed_and_revoked_over_the_wire(guarded: Guarded) -> None:
    access, admin = guarded.running.access, bearer(guarded.secrets[Role.ADMIN])
    made = access.CreateToken(apb.CreateTokenRequest(name="carol", role=apb.ROLE_READER), metadata=admin)
    assert guarded.running.search.ListScores(spb.ListScoresRequest(), metadata=bearer(made.secret)).scores
    listed = {token.name: token for token in access.ListTokens(apb.ListTokensRequest(), metadata=admin).tokens}
    assert listed["carol"] == made.token
    assert set(listed) == {"carol", *(f"the {role}" for role in Role)}
    assert made.secret not in str(listed)
    taken = refusal(
        lambda: access.CreateToken(apb.CreateTokenRequest(name="carol", role=apb.ROLE_ADMIN), metadata=admin)
    )
    assert (taken.code, taken.reason) == ("ALREADY_EXISTS", "NAME_TAKEN")
    gone = access.RevokeToken(apb.RevokeTokenRequest(token="carol"), metadata=admin).token
    assert gone.HasField("revoke_time")
    # This replica forgot it at once.
    answer = refusal(lambda: guarded.running.search.ListScores(spb.ListScoresRequest(), metadata=bearer(made.secret)))
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    again = access.RevokeToken(apb.RevokeTokenRequest(token=made.token.id), metadata=admin).token
    assert again == gone


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (apb.CreateTokenRequest(role=apb.ROLE_READER), "name"),
        (apb.CreateTokenRequest(name="x"), "role"),
        (apb.CreateTokenRequest(name="x", role=77), "role"),  # type: ignore[arg-type]
        (apb.CreateTokenRequest(name="x", role=apb.ROLE_READER, expire_time=Timestamp(seconds=1)), "expire_time"),
        (apb.CreateTokenRequest(name="x", role=apb.ROLE_READER, expire_time=Timestamp(nanos=-1)), "expire_time"),
    ],
)
def test_what_is_wrong_with_a_new_token_is_named(still: Guarded, request_: Any, path: str) -> None:
    metadata = bearer(still.secrets[Role.ADMIN])
    answer = refusal(lambda: still.running.access.CreateToken(request_, metadata=metadata))
    assert (answer.code, answer.reason, list(answer.fields)) == ("INVALID_ARGUMENT", "INVALID_FIELD", [path])


def test_revoking_needs_a_token_that_is_there(still: Guarded) -> None:
    metadata = bearer(still.secrets[Role.ADMIN])
    for name, reason in (("", "INVALID_FIELD"), ("nobody", "TOKEN_NOT_FOUND")):
        request = apb.RevokeTokenRequest(token=name)
        answer = refusal(lambda request=request: still.running.access.RevokeToken(request, metadata=metadata))
        assert answer.reason == reason


# Time, in the one class that remembers: no test waits.


class Known:
    """One token, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.exist = True
        self.problem: Exception | None = None
        self.asked = 0

    def authenticate(self, secret: str) -> Caller:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        if secret != "right":
            raise Unauthenticated("unknown")
        return Caller(token_id="tok_1", name="one", role=Role.READER)

    def tokens(self, rule: str = "always") -> Tokens:
        return Tokens(self.authenticate, lambda: self.exist, rule, ticks=lambda: self.now)


def test_a_caller_is_remembered_for_a_moment_only() -> None:
    known = Known()
    tokens = known.tokens()
    for _ in range(3):
        assert tokens.identify(["Bearer right"]).name == "one"
    assert known.asked == 1
    known.problem = Unauthenticated("revoked")
    known.now = REMEMBERED_S * 0.99
    assert tokens.identify(["Bearer right"]).name == "one"
    known.now = REMEMBERED_S
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.identify(["Bearer right"])
    known.problem = None
    assert tokens.identify(["Bearer right"]).name == "one"
    tokens.forget()
    known.problem = Unauthenticated("revoked")
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.identify(["Bearer right"])


def test_a_database_that_does_not_answer_lets_nobody_in() -> None:
    known = Known()
    tokens = known.tokens()
    known.problem = Unavailable("down", reason=None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        tokens.identify(["Bearer right"])


def test_unknown_tokens_are_not_remembered_and_no_secret_is_kept() -> None:
    known = Known()
    tokens = known.tokens()
    for number in range(3):
        with pytest.raises(Unauthenticated):
            tokens.identify([f"Bearer wrong-{number}"])
    tokens.identify(["Bearer right"])
    assert list(tokens._remembered) == [digest_secret("right")]


def test_auto_requires_tokens_once_there_was_one_and_for_good() -> None:
    known = Known()
    known.exist = False
    tokens = known.tokens("auto")
    assert tokens.identify([]).role is Role.ADMIN
    assert tokens.identify(["Bearer whatever"]).token_id == ""
    known.exist = True
    known.now = REMEMBERED_S
    with pytest.raises(Unauthenticated, match="carries none"):
        tokens.identify([])
    known.exist = False
    known.now = 100.0
    assert tokens.required()
    never = Known().tokens("never")
    assert never.identify([]).role is Role.ADMIN


def test_a_service_on_loopback_is_open_until_the_first_token(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        assert running.search.ListScores(spb.ListScoresRequest()).scores
        made = running.access.CreateToken(apb.CreateTokenRequest(name="me", role=apb.ROLE_ADMIN))
        assert refusal(lambda: running.search.ListScores(spb.ListScoresRequest())).code == "UNAUTHENTICATED"
        mine = bearer(made.secret)
        assert running.search.ListScores(spb.ListScoresRequest(), metadata=mine).scores
        running.access.RevokeToken(apb.RevokeTokenRequest(token="me"), metadata=mine)
        assert refusal(lambda: running.search.ListScores(spb.ListScoresRequest())).code == "UNAUTHENTICATED"


def test_a_token_past_its_end_is_refused(guarded: Guarded) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1)
    secret = guarded.token("brief", Role.READER, ends)
    while datetime.now(UTC) <= ends:
        time.sleep(0.05)
    answer = refusal(lambda: guarded.running.search.ListScores(spb.ListScoresRequest(), metadata=bearer(secret)))
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


def test_a_certificate_alone_allows_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, caller = authority.sign("server"), authority.sign("caller")
    certificate, key = caller.pems
    with service_in_process(
        tmp_path, credentials=grpc.ssl_channel_credentials(authority.certificate.read_bytes(), key, certificate),
        listen_tls_cert=str(server.certificate), listen_tls_key=str(server.key),
        listen_tls_client_ca=str(authority.certificate), require_tokens="always",
    ) as running:  # fmt: skip
        assert refusal(lambda: running.search.ListScores(spb.ListScoresRequest())).code == "UNAUTHENTICATED"
        secret = create_token(open_access(running.database), "one", Role.READER)[1]
        assert running.search.ListScores(spb.ListScoresRequest(), metadata=bearer(secret)).scores


def test_a_start_without_any_token_says_how_to_make_one(tmp_path: Path) -> None:
    for rule, warned in (("always", True), ("auto", False)):
        with capture_logs() as events, service_in_process(tmp_path / rule, require_tokens=rule):
            pass
        advice = [event["advice"] for event in events if event["event"] == "no_token_exists"]
        assert len(advice) == warned
        assert all("msearch-service token create" in text for text in advice)


def test_a_token_counts_in_every_replica_and_so_does_its_end(postgres_url: str, tmp_path: Path) -> None:
    first, second = open_database(postgres_url), open_database(postgres_url)
    with (
        service_in_process(tmp_path / "one", first, require_tokens="always") as one,
        service_in_process(tmp_path / "other", second, require_tokens="always") as other,
    ):
        admin = create_token(open_access(first), "admin", Role.ADMIN)[1]
        request = apb.CreateTokenRequest(name="erin", role=apb.ROLE_READER)
        erin = bearer(one.access.CreateToken(request, metadata=bearer(admin)).secret)
        for replica in (one, other):
            assert replica.search.ListScores(spb.ListScoresRequest(), metadata=erin).scores
        one.access.RevokeToken(apb.RevokeTokenRequest(token="erin"), metadata=bearer(admin))

        def refused_by(replica: Running) -> bool:
            try:
                replica.search.ListScores(spb.ListScoresRequest(), metadata=erin)
            except grpc.RpcError as error:
                return error.code() is grpc.StatusCode.UNAUTHENTICATED
            return False

        assert refused_by(one)
        ends = time.monotonic() + 20
        while not refused_by(other):
            assert time.monotonic() < ends, "the other replica never learnt of it"
            time.sleep(0.1)
    first.close()
    second.close()


# Agents and their leases.


@pytest.fixture
def two_agents(guarded: Guarded) -> tuple[FakeAgent, FakeAgent]:
    """Each registered with a token of its own."""
    stub = guarded.running.agents
    first = FakeAgent(stub, "first", bearer(guarded.token("token of first", Role.AGENT)))
    second = FakeAgent(stub, "second", bearer(guarded.token("token of second", Role.AGENT)))
    return first.register(), second.register()


def submit(guarded: Guarded, **fields: Any) -> ppb.Job:
    job: ppb.Job = guarded.running.profiling.SubmitJob(
        jpb.SubmitJobRequest(**({"spec": a_spec()} | fields)), metadata=bearer(guarded.secrets[Role.PUBLISHER])
    ).job
    return job


def test_an_agent_works_on_its_own_leases_alone(guarded: Guarded, two_agents: tuple[FakeAgent, FakeAgent]) -> None:
    first, second = two_agents
    job = submit(guarded)
    lease = first.acquire().lease
    foreign: dict[str, Callable[[], object]] = {
        "renew": lambda: second.renew(lease),
        "progress": lambda: second.progress(lease, 0.5),
        "complete": lambda: second.complete(lease),
        "fail": lambda: second.fail(lease),
        "release": lambda: second.release(lease),
        "fetch": lambda: second.fetch(lease, gpb.FetchForJobRequest.PART_MODEL),
    }
    reader = bearer(guarded.secrets[Role.READER])

    def now() -> ppb.Job:
        found: ppb.Job = guarded.running.profiling.GetJob(jpb.GetJobRequest(job_id=job.id), metadata=reader).job
        return found

    before = now()
    for name, call in foreign.items():
        answer = refusal(call)
        assert (name, answer.code, answer.reason) == (name, "PERMISSION_DENIED", "PERMISSION_DENIED")
    assert now() == before
    # Nor may it ask for jobs in the other's name, or take that name.
    second.id = first.id
    assert refusal(second.acquire).code == "PERMISSION_DENIED"
    second.description = an_agent("first")
    assert refusal(second.register).code == "PERMISSION_DENIED"
    assert first.complete(lease, a_profile()).state == ppb.JOB_STATE_SUCCEEDED
    repeated = FakeAgent(first.stub, "x", second.metadata)
    assert refusal(lambda: repeated.complete(lease)).code == "PERMISSION_DENIED"


def test_an_agent_with_a_new_token_takes_over_when_the_old_one_is_revoked(
    guarded: Guarded, two_agents: tuple[FakeAgent, FakeAgent]
) -> None:
    first, _ = two_agents
    submit(guarded)
    lease = first.acquire().lease
    admin = bearer(guarded.secrets[Role.ADMIN])
    renewed = FakeAgent(first.stub, "first", bearer(guarded.token("new token of first", Role.AGENT)))
    assert refusal(renewed.register).code == "PERMISSION_DENIED"
    guarded.running.access.RevokeToken(apb.RevokeTokenRequest(token="token of first"), metadata=admin)
    assert refusal(first.acquire).code == "UNAUTHENTICATED"
    assert refusal(lambda: first.complete(lease)).code == "UNAUTHENTICATED"
    renewed.register()
    assert renewed.id == first.id
    assert renewed.complete(lease).state == ppb.JOB_STATE_SUCCEEDED


def test_an_agent_can_do_nothing_else(guarded: Guarded, two_agents: tuple[FakeAgent, FakeAgent]) -> None:
    metadata = two_agents[0].metadata
    running = guarded.running
    calls: list[Callable[[], object]] = [
        lambda: running.registry.ListModels(rpb.ListModelsRequest(), metadata=metadata),
        lambda: running.registry.RegisterModel(iter([header(card("m"))]), metadata=metadata),
        lambda: running.search.ListScores(spb.ListScoresRequest(), metadata=metadata),
        lambda: running.profiling.ListJobs(jpb.ListJobsRequest(), metadata=metadata),
        lambda: running.access.ListTokens(apb.ListTokensRequest(), metadata=metadata),
    ]
    assert {refusal(call).code for call in calls} == {"PERMISSION_DENIED"}


# The program.


def run_program(folder: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["token", *words, "--data-dir", str(folder)], env={})


def test_the_first_token_is_made_on_the_database(tmp_path: Path) -> None:
    made = run_program(tmp_path, "create", "alice", "--role", "admin")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert re.fullmatch(r"msearch_[A-Za-z0-9_-]{43}", secret)
    assert secret not in made.stderr
    assert run_program(tmp_path, "create", "bob", "--role", "agent", "--days", "30").exit_code == 0
    listed = run_program(tmp_path, "list").stdout
    assert [line.split("\t")[:2] for line in listed.splitlines()] == [["alice", "admin"], ["bob", "agent"]]
    assert "never ends" in listed
    assert secret not in listed
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*"))
    database = open_database(f"sqlite:///{tmp_path / 'msearch.db'}")
    with service_in_process(tmp_path, database, require_tokens="always") as running:
        assert running.search.ListScores(spb.ListScoresRequest(), metadata=bearer(secret)).scores
    database.close()
    assert run_program(tmp_path, "revoke", "alice").exit_code == 0
    assert "revoked 20" in run_program(tmp_path, "list").stdout


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["create", "a@b", "--role", "admin"], 1, "name"),
        (["create", "taken", "--role", "admin"], 1, "taken"),
        (["create", "x", "--role", "king"], 2, "king"),
        (["create", "x", "--role", "admin", "--days", "0"], 2, "days"),
        (["revoke", "nobody"], 1, "nobody"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, words: list[str], code: int, problem: str) -> None:
    assert run_program(tmp_path, "create", "taken", "--role", "reader").exit_code == 0
    outcome = run_program(tmp_path, *words)
    assert outcome.exit_code == code
    assert problem in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_no_secret_is_ever_logged(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    made = subprocess.run(
        [sys.executable, "-m", "search_service", "token", "create", "admin", "--role", "admin", "--data-dir", folder],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    secret = made.stdout.strip()
    guess = "msearch_a-guess-that-somebody-made"
    with (
        service_process(tmp_path, MSEARCH_LOG_LEVEL="debug") as (_, address),
        grpc.insecure_channel(address) as channel,
    ):
        access = access_grpc.AccessServiceStub(channel)
        request = apb.CreateTokenRequest(name="dora", role=apb.ROLE_READER)
        other = access.CreateToken(request, metadata=bearer(secret)).secret
        assert refusal(lambda: access.CreateToken(request, metadata=bearer(guess))).code == "UNAUTHENTICATED"
        assert refusal(lambda: access.ListTokens(apb.ListTokensRequest(), metadata=bearer(other))).code == (
            "PERMISSION_DENIED"
        )
    log = (tmp_path / "service.log").read_text(encoding="utf-8")
    for hidden in (secret, other, guess, digest_secret(secret)):
        assert hidden not in log
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    created = next(event for event in events if event["event"] == "token_created")
    assert (created["name"], created["role"], created["caller"]) == ("dora", "reader", "admin")
    refusals = [event for event in events if event["event"] == "call_refused"]
    assert [event["reason"] for event in refusals] == ["UNAUTHENTICATED", "PERMISSION_DENIED"]
    assert all(event["request_id"] for event in refusals)
