"""Every command against the real service: what it prints for people, as JSON, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from tests.cli_output import document, failure
from tests.integration.commands import Run
from tests.small_zoo import make_card, make_table, write_net, write_zoo


@pytest.fixture(scope="module")
def zoo(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose manifest is registered."""
    folder = tmp_path_factory.mktemp("zoo")
    result = run("register", "--manifest", write_zoo(folder), "--jobs", 2)
    assert result.stdout == "3 registered, 0 skipped, 0 failed\n"
    assert result.stderr == ""
    return folder


def test_query_ranks_for_people(run: Run, zoo: Path) -> None:
    asked = ("query", "--data", zoo / "target.parquet", "--scores", "nearest")
    foretold = run(*asked).stdout.splitlines()
    assert foretold[1].split("  ")[0] == "rank"
    assert [word for word in ("accuracy", "90 % interval", "rests on", "adaptivity") if word not in foretold[1]] == []
    lines = run(*asked, "--no-predict").stdout.splitlines()
    assert lines[0] == "3 candidates for 150 rows, ordered by adaptivity"
    assert lines[1].split() == ["rank", "model", "dataset", "adaptivity", "support", "nearest"]
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["1", "near@1", "near-data"],
        ["2", "mid@1", "mid-data"],
        ["3", "far@1", "far-data"],
    ]


def test_query_ranks_for_programs(run: Run, zoo: Path) -> None:
    ranking = document(run("query", "--data", zoo / "target.parquet", "--json", "--top", 2))
    assert [candidate["model"]["name"] for candidate in ranking["candidates"]] == ["near", "mid"]
    assert (ranking["total"], ranking["target_row_count"]) == (3, 150)
    assert ranking["order_by"] == [{"score": "adaptivity", "weight": 1.0}]


def test_query_by_service_gives_the_same(run: Run, zoo: Path) -> None:
    here = run("query", "--data", zoo / "target.parquet").stdout
    assert run("query", "--data", zoo / "target.parquet", "--by-service").stdout == here


def test_query_filters_weighs_and_explains(run: Run, zoo: Path) -> None:
    target = ["query", "--data", zoo / "target.parquet"]
    kept = ["--task", "classification", "--class", "cat", "--tag", "small", "--licence", "mit", "--format", "onnx"]
    assert run(*target, *kept, "--modality", "tabular", "--text", "far").stdout.startswith("1 candidate for 150 rows")
    explained = run(*target, "--task", "regression", "--explain").stdout
    assert "left out" in explained
    assert "tasks" in explained
    weighed = run(*target, "--order-by", "nearest=2,adaptivity").stdout
    assert "ordered by 2 nearest + adaptivity" in weighed
    assert "mean rank" in weighed
    assert "ordered by nearest" in run(*target, "--score", "nearest").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["query"],
        ["query", "--data", "a", "--signature", "b"],
        ["query", "--data", "a", "--score", "x", "--order-by", "y=1"],
        ["query", "--data", "a", "--order-by", "y=much"],
        ["query", "--signature", "a", "--by-service"],
        ["query", "--data", "a", "--top", "0"],
        ["query", "--data", "a", "--as-modality", "sound"],
        ["register"],
        ["register", "card.yaml", "--manifest", "zoo.yaml"],
        ["register", "--manifest", "zoo.yaml", "--artifact", "a"],
        ["register", "card.yaml", "--labels", "a"],
        ["datasets", "register", "a"],
        ["datasets", "register", "a", "--signature", "b"],
        ["sketch", "a"],
        ["sketch", "a", "--inspect", "b"],
        ["models"],
        ["models", "update", "a"],
        ["models", "update", "a", "--metric", "accuracy"],
        ["models", "fly"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_where_help_is(run: Run, words: list[str]) -> None:
    result = run(*words, code=2)
    assert result.stderr.startswith("error: ")
    assert "--help`" in result.stderr
    assert failure(run(*words, "--json", code=2))["error"] == "UsageError"


def test_query_with_a_wrong_file(run: Run, zoo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 but no more")
    for words, problem in [
        (["query", "--data", tmp_path / "none.parquet"], "does not exist"),
        (["query", "--data", broken], "broken.parquet"),
        (["query", "--signature", zoo / "target.parquet"], "not a msearch signature"),
        (["query", "--signature", tmp_path / "none.sig"], "cannot read"),
        (["query", "--data", zoo / "target.parquet", "--score", "magic"], "magic"),
        (["query", "--data", zoo / "target.parquet", "--column", "none"], "none"),
    ]:
        result = run(*words, code=1)
        assert result.stderr.startswith("error: ")
        assert problem in result.stderr
        assert "Traceback" not in result.output
        assert problem in failure(run(*words, "--json", code=1))["message"]


def test_a_service_that_is_down(run: Run, zoo: Path) -> None:
    result = run("models", "list", code=1, address="127.0.0.1:1")
    assert result.stderr.startswith("error: no answer from the service at 127.0.0.1:1")
    assert "msearch-cli serve" in result.stderr
    assert failure(run("models", "list", "--json", code=1, address="127.0.0.1:1"))["error"] == "UnavailableError"
    batch = run("register", "--manifest", zoo / "zoo.yaml", code=1, address="127.0.0.1:1")
    assert batch.stdout == "0 registered, 0 skipped, 3 failed\n"


def test_register_one_model_with_its_data(run: Run, zoo: Path, tmp_path: Path) -> None:
    card, net = tmp_path / "card.yaml", tmp_path / "net.onnx"
    card.write_text(yaml.safe_dump(make_card("single")), encoding="utf-8")
    write_net(net)
    words = ["register", card, "--artifact", net, "--data", zoo / "mid.parquet", "--labels", "label"]
    shown = run(*words).stdout
    assert "single@1" in shown
    assert "rows: float32 batch x 3" in shown
    assert run("datasets", "show", "single").exit_code == 0
    again = run(*words, code=1)
    assert "single@1" in again.stderr
    assert failure(run(*words, "--json", code=1))["reason"] == "NAME_TAKEN"
    run("models", "delete", "single", "--yes")
    run("datasets", "delete", "single", "--yes")


def test_register_with_a_registered_dataset(run: Run, zoo: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(yaml.safe_dump(make_card("hosted", artifact={"format": "none"})), encoding="utf-8")
    model = document(run("register", card, "--dataset", "near-data", "--json"))
    assert model["dataset_id"] == document(run("datasets", "show", "near-data@1", "--json"))["id"]
    assert document(run("models", "delete", "hosted", "--yes", "--json")) == {"deleted": model["id"]}


def test_an_invalid_card_names_its_fields(run: Run, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("name: x\ntask: classification\nmodality: sound\n", encoding="utf-8")
    assert "modality" in run("register", card, code=1).stderr
    assert [path for path, _ in failure(run("register", card, "--json", code=1))["fields"]] == ["modality"]


def test_a_manifest_is_resumed(run: Run, zoo: Path) -> None:
    assert run("register", "--manifest", zoo / "zoo.yaml").stdout == "0 registered, 3 skipped, 0 failed\n"
    run("models", "delete", "mid", "--yes")
    result = document(run("register", "--manifest", zoo / "zoo.yaml", "--json"))
    assert (result["registered"], result["skipped"], result["failed"]) == (1, 2, 0)
    assert {item["model"]: item["state"] for item in result["models"]}["mid@1"] == "registered"


def test_a_manifest_with_mistakes_goes_on_and_lists_them(run: Run, zoo: Path, tmp_path: Path) -> None:
    write_zoo(tmp_path)
    (tmp_path / "near.yaml").write_text(yaml.safe_dump(make_card("near", description="new")), encoding="utf-8")
    (tmp_path / "mid.yaml").write_text("name: [", encoding="utf-8")
    models = yaml.safe_load((tmp_path / "zoo.yaml").read_text(encoding="utf-8"))["models"]
    write_net(tmp_path / "fresh.onnx")
    for name, data in {"fresh": "fresh-data", "lost": "no-data"}.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(make_card(name)), encoding="utf-8")
        source = {"name": data, "data": f"{name}.parquet"}
        models.append({"card": f"{name}.yaml", "artifact": "fresh.onnx", "dataset": source})
    pq.write_table(make_table(3.0), tmp_path / "fresh.parquet")
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"version": 1, "models": models}), encoding="utf-8")
    result = run("register", "--manifest", tmp_path / "zoo.yaml", code=1)
    assert result.stdout == "1 registered, 1 skipped, 3 failed\n"
    assert "error: near@1 is registered already with another card" in result.stderr
    assert result.stderr.count("mid.yaml") == 1
    assert "lost.parquet does not exist" in result.stderr
    run("models", "delete", "fresh", "--yes")
    run("datasets", "delete", "fresh-data", "--yes")


def test_models_are_listed_shown_changed_and_downloaded(run: Run, zoo: Path, tmp_path: Path) -> None:
    listed = run("models", "list", "--tag", "small").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:-1]] == ["far", "mid", "near"]
    assert listed[-1] == "3 models"
    assert run("models", "list", "--limit", 1).stdout.splitlines()[-1] == "1 of 3 models"
    assert run("models", "list", "--dataset", "mid-data").stdout.splitlines()[-1] == "1 model"
    assert run("models", "list", "--task", "nothing").stdout == "0 models\n"
    assert document(run("models", "list", "--json"))["total"] == 3
    model = document(run("models", "show", "near", "--json"))
    assert "tells who is who" in run("models", "show", model["id"]).stdout
    changed = run("models", "update", "near", "--description", "renewed", "--metric", "f1=0.5", "--tag", "small").stdout
    assert "renewed" in changed
    assert "f1 0.5" in changed
    run("models", "update", "near", "--description", model["description"], "--metric", "accuracy=0.9")
    assert f"wrote {tmp_path / 'near-1.onnx'}" in run("models", "download", "near", "-o", tmp_path).stdout
    assert (tmp_path / "near-1.onnx").read_bytes() == (zoo / "near.onnx").read_bytes()
    assert "exists already" in run("models", "download", "near", "-o", tmp_path, code=1).stderr
    assert document(run("models", "download", "near", "-o", tmp_path, "--overwrite", "--json"))["size_bytes"] > 0
    assert "no-folder" in run("models", "download", "near", "-o", tmp_path / "no-folder" / "x", code=1).stderr


def test_what_is_not_there_is_said(run: Run) -> None:
    for group in ("models", "datasets"):
        for words in ([group, "show", "nobody"], [group, "delete", "nobody", "--yes"]):
            assert "nobody" in run(*words, code=1).stderr
    assert "no feature space begins" in run("spaces", "show", "0123", code=1).stderr


def test_deleting_asks_or_wants_yes(run: Run, zoo: Path) -> None:
    assert "--yes" in run("models", "delete", "near", code=1).stderr
    assert run("models", "show", "near").exit_code == 0
    assert "source of 1 model" in run("datasets", "delete", "near-data", "--yes", code=1).stderr


def test_datasets_are_registered_from_data_and_from_signatures(run: Run, zoo: Path, tmp_path: Path) -> None:
    words = ["datasets", "register", "own", "--data", zoo / "near.parquet", "--labels", "label", "--limit-rows", 60]
    shown = run(*words, "--description", "mine", "--tag", "t").stdout
    assert "60 rows" in shown
    assert "with classes" in shown
    signature = tmp_path / "own.sig"
    run("sketch", zoo / "near.parquet", "-o", signature, "--source")
    run("datasets", "register", "copy", "--signature", signature, "--as-modality", "tabular")
    assert "own" in run("datasets", "list", "--tag", "t").stdout
    assert document(run("datasets", "list", "--json"))["total"] == 5
    for name in ("own", "copy"):
        assert run("datasets", "delete", name, "--yes").stdout == f"deleted {name}@1\n"


def test_sketch_writes_what_query_reads(run: Run, zoo: Path, tmp_path: Path) -> None:
    signature = tmp_path / "target.sig"
    made = document(run("sketch", zoo / "target.parquet", "-o", signature, "--json"))
    assert (made["row_count"], made["size_bytes"], made["classes"]) == (150, signature.stat().st_size, {})
    assert document(run("sketch", "--inspect", signature, "--json")) == made
    inspected = run("sketch", "--inspect", signature).stdout
    assert "150" in inspected
    assert run("query", "--signature", signature).stdout == run("query", "--data", zoo / "target.parquet").stdout
    labelled = document(run("sketch", zoo / "near.parquet", "-o", signature, "--source", "--json"))
    assert set(labelled["classes"]) == {"cat", "dog"}
    assert "cannot write" in run("sketch", zoo / "near.parquet", "-o", tmp_path / "none" / "x", code=1).stderr


def test_spaces_are_listed_shown_registered_and_deleted(run: Run, zoo: Path, tmp_path: Path) -> None:
    listed = document(run("spaces", "list", "--modality", "tabular", "--json"))
    (space,) = listed["spaces"]
    assert space["digest"][:12] in run("spaces", "list").stdout
    assert document(run("spaces", "show", space["digest"][:12], "--json")) == space
    raw = json.loads(space["document"]) | {"featuriser": "mine@1", "schema": [], "modality": "embedding"}
    (tmp_path / "space.json").write_text(json.dumps(raw), encoding="utf-8")
    made = document(run("spaces", "register", tmp_path / "space.json", "--description", "mine", "--json"))
    assert made["featuriser"] == "mine@1"
    assert run("spaces", "delete", made["digest"], "--yes").stdout == f"deleted {made['digest']}\n"
    (tmp_path / "space.json").write_text("{}", encoding="utf-8")
    assert "document" in run("spaces", "register", tmp_path / "space.json", code=1).stderr
    assert "--yes" in run("spaces", "delete", space["digest"], code=1).stderr


def test_scores_are_explained(run: Run) -> None:
    assert "adaptivity  (default order)" in run("scores").stdout
    names = [score["name"] for score in document(run("scores", "--json"))["scores"]]
    assert names == sorted(names)


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(run: Run, zoo: Path, tmp_path: Path, width: int) -> None:
    name = f"a-model/{width}/" + "that-is-very-long-" * 6
    card = make_card(name, artifact={"format": "none"}, tags=[f"tag-{number}" for number in range(30)])
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    run("register", tmp_path / "card.yaml", "--dataset", "near-data")
    target = zoo / "target.parquet"
    for words in (
        ["models", "list"],
        ["models", "show", name],
        ["datasets", "list"],
        ["spaces", "list"],
        ["query", "--data", target],
        ["query", "--data", target, "--order-by", "nearest=2,adaptivity=1", "--scores", "mmd,l2,jsd,containment"],
    ):
        lines = run(*words, width=width).stdout.splitlines()
        assert max(len(line) for line in lines) <= width, "\n".join(lines)
        assert lines == [line.rstrip() for line in lines]
    folded = run("query", "--data", target, width=width).stdout
    assert name in "".join(line[6:].split("  ")[0].strip() for line in folded.splitlines())
    run("models", "delete", name, "--yes")


def test_an_empty_ranking_says_why(run: Run, zoo: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["some words here"] * 50}), tmp_path / "text.parquet")
    result = run("query", "--data", tmp_path / "text.parquet")
    assert result.stdout.startswith("0 candidates for 50 rows")
    assert "note: " in result.stdout


def test_rows_that_cannot_be_read_are_told(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(30):
        Image.new("L", (16, 16), number * 8).save(folder / f"{number:02}.png")
    (folder / "07.png").write_bytes(b"this is no image")
    result = run("query", "--data", folder)
    assert result.stdout.startswith("0 candidates for 29 rows")
    assert result.stderr.startswith(f"note: {folder}: 1 of 30 rows are left out: ")
    noted = run("query", "--data", folder, "--json")
    assert document(noted)["target_row_count"] == 29
    assert "1 of 30 rows" in json.loads(noted.stderr)["note"]
