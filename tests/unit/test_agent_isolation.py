"""Children that behave badly: each ends with an error that says what it did, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler_agent import errors
from profiler_agent.errors import Cancelled, Crashed, DeadlineExceeded, JobError, MemoryLimit
from profiler_agent.isolation import ChildLimits, probe_isolation, run_child
from profiler_agent.isolation.channel import Garbage, LineReader, encode_line
from profiler_agent.isolation.environment import child_environment
from profiler_agent.isolation.outcome import exit_error, printable_tail, told_error
from profiler_agent.isolation.supervision import usage_of

FOREVER_S = 240.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def isolation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return probe_isolation(tmp_path_factory.mktemp("probe"))


def run(folder: Path, name: str, argument: Any = None, **options: Any) -> Any:
    """Runs a task of `tests.agent_children` and checks that its folder is gone afterwards."""
    folder.mkdir(exist_ok=True)
    cancelled = options.pop("cancelled", threading.Event())
    on_message = options.pop("on_message", lambda _: None)
    limits = ChildLimits(workspace=folder, **{"deadline_s": FOREVER_S} | options)
    try:
        return run_child(
            f"tests.agent_children:{name}", argument, limits=limits, cancelled=cancelled, on_message=on_message
        )
    finally:
        assert list(folder.iterdir()) == []


def enforced(isolation: dict[str, str], name: str) -> None:
    """Skips where the host does not let us enforce this."""
    if isolation.get(name, "not known").startswith("not"):
        pytest.skip(f"{name}: {isolation.get(name)}")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except OSError:
        return False


def test_results_and_messages_arrive_in_order(tmp_path: Path) -> None:
    seen: list[Any] = []
    assert run(tmp_path / "w", "count", 500, on_message=seen.append) == 500
    assert seen == list(range(500))


@pytest.mark.parametrize("value", [None, 1.5, "ä\n", [1, [2]], {"a": {"b": None}}, "x" * 300_000])
def test_arguments_travel_as_json(tmp_path: Path, value: Any) -> None:
    assert run(tmp_path / "w", "echo", value) == value


def test_an_argument_that_is_not_json_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        run(tmp_path / "w", "echo", object())
    with pytest.raises(ValueError, match="JSON"):
        run(tmp_path / "w", "echo", float("nan"))


def test_a_child_sees_little_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSEARCH_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = run(tmp_path / "w", "describe", threads=3)
    environment = seen["environment"]
    assert "secret" not in environment.values()
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    assert seen["folder"] == seen["workspace"] == environment["HOME"]
    assert environment["TMPDIR"].startswith(seen["workspace"])
    assert seen["session"]
    assert seen["core"] == 0
    assert seen["descriptors"] <= 6  # three of its own, the pipe, and the listing
    assert seen["started_after_ns"] > 0


def test_an_ordinary_computation_works(tmp_path: Path) -> None:
    assert run(tmp_path / "w", "compute", 10) == [100.0, 42]


@pytest.mark.parametrize("kind", ["CompileFailed", "WrongOutput", "Unreachable", "MemoryLimit", "InvalidLoad"])
@pytest.mark.parametrize("retry", [True, False])
def test_job_errors_cross_the_pipe(tmp_path: Path, kind: str, retry: bool) -> None:
    with pytest.raises(getattr(errors, kind), match="the words") as caught:
        run(tmp_path / "w", "raise_job_error", {"kind": kind, "message": "the words", "retry": retry})
    assert caught.value.retry is retry


def test_other_errors_are_crashes_that_name_them(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="ValueError: seven is not a shape"):
        run(tmp_path / "w", "raise_value_error")


def test_a_memory_error_is_the_memory_limit(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit):
        run(tmp_path / "w", "raise_memory_error")


@pytest.mark.parametrize("status", [0, 3])
def test_leaving_without_a_result(tmp_path: Path, status: int) -> None:
    with pytest.raises(Crashed, match=f"without a result \\(exit status {status}\\)") as caught:
        run(tmp_path / "w", "leave", status)
    assert "this goes to standard output" in caught.value.message
    assert "and this to standard error" in caught.value.message


def test_a_soft_exit_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="SystemExit"):
        run(tmp_path / "w", "exit_softly")


def test_a_segmentation_fault_is_named_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="SIGSEGV") as caught:
        run(tmp_path / "w", "segfault")
    assert "agent_children.py" in caught.value.message


def test_an_abort_for_lack_of_memory_is_the_memory_limit(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="SIGABRT"):
        run(tmp_path / "w", "abort", "assertion failed\n")
    with pytest.raises(MemoryLimit):
        run(tmp_path / "w", "abort", "terminate called after throwing an instance of 'std::bad_alloc'\n")


def test_a_kill_from_outside_is_blamed_on_memory(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit, match="SIGKILL"):
        run(tmp_path / "w", "kill_itself")


@pytest.mark.parametrize("task", ["hang", "hang_in_c"])
def test_a_hang_ends_at_the_deadline(tmp_path: Path, task: str) -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 1\.5 s"):
        run(tmp_path / "w", task, deadline_s=1.5)


def test_cancelling_ends_a_child(tmp_path: Path) -> None:
    cancelled = threading.Event()
    with pytest.raises(Cancelled):
        run(tmp_path / "w", "hang", cancelled=cancelled, on_message=lambda _: cancelled.set())


def test_what_on_message_raises_ends_the_child(tmp_path: Path) -> None:
    def refuse(message: Any) -> None:
        raise LookupError(message)

    with pytest.raises(LookupError, match="hanging"):
        run(tmp_path / "w", "hang", on_message=refuse)


def test_memory_without_end(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit, match="256 MiB are allowed"):
        run(tmp_path / "w", "allocate_without_end", memory_bytes=256 << 20)


def test_memory_far_beyond_the_limit_is_not_even_given(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit):
        run(tmp_path / "w", "allocate_at_once", 64 << 30, memory_bytes=256 << 20)


def test_memory_of_all_its_processes_counts(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit, match="256 MiB are allowed"):
        run(tmp_path / "w", "allocate_in_others", 64 << 20, memory_bytes=256 << 20)


def test_a_fork_bomb_is_stopped_and_swept(tmp_path: Path) -> None:
    started: list[int] = []

    def alive() -> int:
        return sum(b"profiler_agent.isolation.child" in _command_line(process) for process in _processes())

    before = alive()
    with pytest.raises((Crashed, MemoryLimit)):
        run(tmp_path / "w", "fork_without_end", processes=16, on_message=started.append)
    deadline = time.monotonic() + 60
    while alive() > before and time.monotonic() < deadline:
        time.sleep(0.05)  # killed processes take a moment to be reaped by init
    assert alive() <= before


def test_a_forked_process_that_holds_the_pipe_does_not_hide_the_end(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="SIGSEGV"):
        run(tmp_path / "w", "fork_and_die")


def test_what_a_child_leaves_running_is_killed(tmp_path: Path) -> None:
    left = run(tmp_path / "w", "leave_one_behind")
    deadline = time.monotonic() + 60
    while is_running(left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(left)


@pytest.mark.parametrize(
    "text",
    [
        "not json\n",
        "[1,2,3]\n",
        '["result"',
        "\xff\xfe\n",
        '["result", NaN]\n',
        "[" * 100_000 + "\n",
        '{"result": 1}\n',
    ],
)
def test_garbage_is_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(Crashed):
        run(tmp_path / "w", "write_raw", text)


def test_closing_the_pipe_and_going_on_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler_agent.isolation.running.LAST_WORDS_S", 0.5)
    with pytest.raises(Crashed, match="closed its pipe"):
        run(tmp_path / "w", "close_channel")


@pytest.mark.parametrize("kind", ["nan", "object", "bytes"])
def test_a_result_must_be_json(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Crashed, match="not JSON"):
        run(tmp_path / "w", "give_no_json", kind)


def test_an_unknown_task_is_a_crash(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="no_such_task"):
        run(tmp_path / "w", "no_such_task")


def test_writing_stays_inside(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "writes")
    cache = tmp_path / "cache"
    cache.mkdir()
    outside = [str(tmp_path / "stolen"), "/tmp/stolen-by-a-test", str(ROOT / "stolen"), "/dev/shm/stolen"]
    inside = ["own", "tmp/own", str(cache / "kept"), "/dev/null"]
    answers = run(tmp_path / "w", "write_files", [*outside, *inside], writable=(cache,))
    assert {name: answers[name] for name in inside} == dict.fromkeys(inside, "written")
    assert {answers[name] for name in outside} <= {"PermissionError", "FileNotFoundError"}
    assert answers[outside[0]] == "PermissionError"
    assert not Path(outside[0]).exists()
    assert (cache / "kept").read_text() == "x"


def test_reading_is_limited_to_what_is_needed(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "reads")
    given, secret = tmp_path / "model.onnx", tmp_path / "secret"
    given.write_text("model")
    secret.write_text("secret")
    answers = run(tmp_path / "w", "read_files", [str(given), str(secret), "/proc/self/statm"], readable=(given,))
    assert answers[str(given)] == "model"
    assert answers[str(secret)] == "PermissionError"
    assert answers["/proc/self/statm"].split()


def test_the_parents_environment_cannot_be_read(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "reads")
    name = f"/proc/{os.getpid()}/environ"
    assert run(tmp_path / "w", "read_files", [name])[name] == "PermissionError"


def test_threads_can_be_named_where_there_is_a_gpu(tmp_path: Path, isolation: dict[str, str]) -> None:
    """What CUDA's driver needs to write; nothing else of procfs, and nobody else's."""
    enforced(isolation, "writes")
    own, others = "/proc/{pid}/task/{pid}/comm", f"/proc/{os.getpid()}/task/{os.getpid()}/comm"
    answers = run(tmp_path / "w", "rename_threads", [own, "/proc/{pid}/comm", others])
    with_gpu = "written" if any(Path("/dev").glob("nvidia*")) else "PermissionError"
    assert answers == {own: with_gpu, "/proc/{pid}/comm": "PermissionError", others: "PermissionError"}


def test_files_have_a_largest_size(tmp_path: Path) -> None:
    assert run(tmp_path / "w", "write_large_file", 2 << 20, file_bytes=1 << 20) == os.strerror(27)
    assert run(tmp_path / "w", "write_large_file", 1 << 19, file_bytes=1 << 20) == "written"


def test_locked_folders_and_links_are_removed(tmp_path: Path) -> None:
    run(tmp_path / "w", "fill_with_locked_folders")


def test_no_network_unless_allowed(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = list(server.getsockname())
        assert run(tmp_path / "w", "connect", address) == "PermissionError"
        assert run(tmp_path / "w", "send_datagram", address) == "PermissionError"
        assert run(tmp_path / "w", "connect", address, network=True) == "connected"
        assert run(tmp_path / "w", "describe", network=True)["isolation"]["network"].startswith("allowed")


def test_the_session_cannot_be_left(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "process_group")
    assert run(tmp_path / "w", "leave_the_session") == os.strerror(13)


def test_the_parent_cannot_be_signalled(tmp_path: Path, isolation: dict[str, str]) -> None:
    enforced(isolation, "signals")
    assert run(tmp_path / "w", "signal_process", os.getpid()) == "PermissionError"


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import os, sys, threading; from pathlib import Path; from profiler_agent.isolation import *;"
        "limits = ChildLimits(workspace=Path(sys.argv[1]), deadline_s=240);"
        "run_child('tests.agent_children:hang', None, limits=limits, cancelled=threading.Event(),"
        " on_message=lambda _: print('up', flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    (child,) = (process for process in _processes() if _parent(process) == parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(child)
    parent.stdout.close()


def test_where_nothing_can_be_enforced_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from profiler_agent.isolation import confinement
    from profiler_agent.isolation.system_calls import Unsupported

    def refuse(*_: object, **__: object) -> None:
        raise Unsupported("an old kernel")

    monkeypatch.setattr(confinement.landlock, "restrict_self", refuse)
    monkeypatch.setattr(confinement.seccomp, "refuse_calls", refuse)
    monkeypatch.setattr(confinement, "drop_capabilities", refuse)
    monkeypatch.setattr(confinement, "prohibit_new_privileges", lambda: None)
    monkeypatch.setattr(confinement, "_limit_resources", lambda _: "supervised")
    limits = confinement.Confinement(
        workspace=tmp_path, readable=(), writable=(), network=False, memory_bytes=1, file_bytes=1
    )
    status = confinement.confine(limits)
    assert status.pop("memory") == "supervised"
    assert all(value.startswith("not") and "an old kernel" in value for value in status.values()), status


def test_probing_says_that_no_child_could_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert probe_isolation(tmp_path)["child"].startswith("not started")


@given(
    st.lists(st.tuples(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists))), st.integers(1, 50)
)
def test_lines_survive_any_cutting(lines: list[tuple[str, Any]], size: int) -> None:
    data = b"".join(encode_line(kind, value) for kind, value in lines)
    reader = LineReader()
    read = [line for start in range(0, len(data), size) for line in reader.feed(data[start : start + size])]
    assert read == lines
    assert not reader.unfinished


@given(st.binary())
def test_any_bytes_are_lines_or_garbage(data: bytes) -> None:
    with contextlib.suppress(Garbage):
        assert all(isinstance(kind, str) for kind, _ in LineReader().feed(data + b"\n"))


def test_a_line_has_a_longest_size() -> None:
    with pytest.raises(Garbage, match="more than 10 bytes"):
        LineReader(10).feed(b"x" * 11)


@pytest.mark.parametrize(
    "value", [None, 3, [], {}, {"code": 7}, {"code": "no_such_code"}, {"code": "cancelled", "message": "x"}]
)
def test_errors_that_children_invent_are_crashes(value: Any) -> None:
    assert isinstance(told_error(value), Crashed)


def test_every_code_of_an_error_is_known() -> None:
    for kind in (errors.DigestMismatch, errors.DeadlineExceeded, errors.UnsupportedOperator):
        assert type(told_error({"code": kind.code, "message": "m", "retry": False})) is kind


def test_exits_and_tails_in_words() -> None:
    assert "signal 63" in exit_error(-63, "").message
    assert isinstance(exit_error(1, "MemoryError"), MemoryLimit)
    assert isinstance(exit_error(1, ""), JobError)
    assert printable_tail(b"\x1b[31mred\x1b[0m\n\nend \xff\n") == " [31mred [0m\nend �"


def test_the_environment_keeps_what_finds_programs() -> None:
    kept = child_environment(Path("/w"), 0, {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "MSEARCH_TOKEN": "t"})
    assert kept["PATH"] == "/bin"
    assert kept["CUDA_VISIBLE_DEVICES"] == "0"
    assert "MSEARCH_TOKEN" not in kept
    assert "OMP_NUM_THREADS" not in kept


def test_usage_counts_this_process_and_those_below() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        usage = usage_of(os.getpid(), 1000)
        process.kill()
    assert usage.memory_bytes > 1 << 20
    assert usage.processes >= 2
    assert usage_of(2**30, 10).memory_bytes == 0


def _processes() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and is_running(int(entry.name))
    ]


def _command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
