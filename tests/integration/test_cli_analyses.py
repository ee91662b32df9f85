"""`analyse` and `report`: what people read, the files they ask for, and where they fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from msearch.v1 import profiles_pb2 as profiles
from msearch_client import Client, LocalError, NotFoundError
from msearch_client.cli import app
from tests.scripted_service import Script, make_job, make_model, make_profile, scripted_service

Run = Callable[..., Result]
INT8 = profiles.Variant(backend="onnxruntime", precision=profiles.PRECISION_INT8_STATIC)


@pytest.fixture
def script() -> Script:
    made = Script()
    made.models["digits"] = make_model("digits")
    made.jobs["job-1"] = make_job()
    made.profiles["prf-1"] = make_profile()
    made.profiles["prf-2"] = make_profile("prf-2", variant=INT8, runs_ms=(0.5, 0.51, 0.49))
    made.profiles["prf-3"] = make_profile(
        "prf-3", variant=profiles.Variant(backend="openvino", precision=profiles.PRECISION_FP32),
        verdict=profiles.VERDICT_INVALID, reasons=[profiles.InvalidReason(rule="disturbed", detail="0.4 CPUs")],
        histogram="",
    )  # fmt: skip
    return made


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    with scripted_service(script) as address:
        yield address


@pytest.fixture
def run(address: str) -> Run:
    def call(*words: Any, code: int = 0) -> Result:
        found = CliRunner().invoke(app, [*map(str, words), "--server", address], env={"COLUMNS": "160"})
        assert found.exit_code == code, found.output
        return found

    return call


def test_without_a_name_the_analyses_are_listed() -> None:
    found = CliRunner().invoke(app, ["analyse"])
    assert found.exit_code == 0
    for name in ("leaderboard", "load-curves", "roofline", "pareto", "hosts"):
        assert name in found.stdout
    listed = json.loads(CliRunner().invoke(app, ["analyse", "--json"]).stdout)
    assert {"name": "cold-start", "takes_metric": False}.items() <= next(
        one for one in listed if one["name"] == "cold-start"
    ).items()


def test_a_leaderboard_shows_ranks_and_invalid_profiles_as_such(run: Run) -> None:
    shown = run("analyse", "leaderboard", "--metric", "p50_ms").stdout
    first, second, third = (line for line in shown.splitlines() if "digits@1" in line)
    assert first.split()[:4] == ["1", "digits@1", "onnxruntime", "int8_static"]
    assert second.split()[:4] == ["2", "digits@1", "onnxruntime", "fp32"]
    assert third.split()[:3] == ["digits@1", "openvino", "fp32"]
    assert "INVALID" in third
    assert "disturbed" in third
    assert "3 rows" in shown


def test_json_has_units_and_rows(run: Run) -> None:
    found = json.loads(run("analyse", "leaderboard", "--json").stdout)
    assert {"name": "p99_ms", "unit": "ms"} in found["columns"]
    assert [row["verdict"] for row in found["rows"]] == ["VALID", "VALID", "INVALID"]


def test_files_are_written_and_named(run: Run, tmp_path: Path) -> None:
    names = {kind: tmp_path / f"t.{kind}" for kind in ("csv", "parquet", "png", "svg")}
    shown = run("analyse", "latency", *(word for kind, path in names.items() for word in (f"--{kind}", path))).stdout
    assert all(f"wrote {path}" in shown for path in names.values())
    assert pyarrow.csv.read_csv(names["csv"]).num_rows == 3
    table = pyarrow.parquet.read_table(names["parquet"])
    assert table.schema.field("p99_ms").metadata == {b"unit": b"ms"}
    assert names["png"].read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in names["svg"].read_bytes()


def test_a_report_is_written(run: Run, tmp_path: Path, script: Script) -> None:
    path = tmp_path / "report.html"
    shown = run("report", "--out", path, "--model", "digits", "--title", "Digits <here>").stdout
    assert f"wrote {path}: 3 profiles" in shown
    page = path.read_text(encoding="utf-8")
    assert "<h1>Digits &lt;here&gt;</h1>" in page
    assert "digits@1" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    found = json.loads(run("report", "--out", path, "--json").stdout)
    assert found == {"report": str(path), "profiles": 3, "size_bytes": path.stat().st_size}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["analyse", "leaderbord"], 2, "did you mean leaderboard?"),
        (["analyse", "leaderboard", "--metric", "p99"], 1, "did you mean p99_ms"),
        (["analyse", "cold-start", "--metric", "p99_ms"], 1, "takes no quantity"),
        (["analyse", "leaderboard", "--load", "sever:1"], 2, "there is no scenario 'sever'"),
        (["analyse", "leaderboard", "--job", "job-9"], 1, "no job job-9"),
        (["analyse", "leaderboard", "--model", "nothing"], 1, "no model nothing"),
        (["analyse", "leaderboard", "--png", "picture.jpg"], 2, "must end with .png"),
        (["analyse", "leaderboard", "--csv", "/nowhere/t.csv"], 1, "cannot write /nowhere/t.csv"),
        (["analyse", "hosts", "--png", "hosts.png"], 1, "has nothing to draw"),
        (["report", "--out", "report.pdf"], 2, "must end with .html"),
        (["report", "--out", "/nowhere/report.html"], 1, "cannot write /nowhere/report.html"),
        (["report"], 2, "--out"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(run: Run, words: list[str], code: int, said: str) -> None:
    found = run(*words, code=code)
    assert said in " ".join(found.output.split())
    assert "Traceback" not in found.output


def test_a_table_is_shown_and_written_also_where_nothing_can_be_drawn(run: Run, tmp_path: Path) -> None:
    found = run("analyse", "hosts", "--csv", tmp_path / "hosts.csv", "--png", tmp_path / "hosts.png", code=1)
    assert "row" in found.stdout
    assert "has nothing to draw" in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.csv"]


def test_nothing_to_report_is_an_error_and_leaves_no_file(run: Run, script: Script, tmp_path: Path) -> None:
    script.profiles.clear()
    found = run("report", "--out", tmp_path / "report.html", code=1)
    assert "there is no profile to report on" in found.output
    assert list(tmp_path.iterdir()) == []
    assert "0 rows" in run("analyse", "leaderboard").stdout


def test_from_python(address: str, tmp_path: Path) -> None:
    with Client(address) as client:
        seen: list[tuple[int, int | None]] = []
        found = client.analyse("leaderboard", jobs="job-1", progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (3, 3)
        assert [row["rank"] for row in found.to_dicts()] == [1, 2, None]
        assert list(found.to_pandas()["verdict"]) == ["VALID", "VALID", "INVALID"]
        assert repr(found) == "Findings(leaderboard: 3 rows, 1 pictures)"
        with pytest.raises(LocalError, match=r"must end with \.png or \.svg"):
            found.draw(tmp_path / "t.gif")
        with pytest.raises(LocalError, match="no analysis"):
            client.analyse("nothing")
        with pytest.raises(NotFoundError):
            client.analyse("leaderboard", jobs=["job-1", "job-2"])
        assert client.report(tmp_path / "r.html", jobs=client.get_job("job-1")) == 3
