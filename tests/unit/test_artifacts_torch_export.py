"""Programs of torch.export: the layout is checked, nothing is unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import pytest

from msearch_card import parse_card
from search_service.artifacts import Inspection, inspect
from search_service.domain.errors import InvalidArgument, Reason

CARD = parse_card(
    {
        "name": "m", "task": "classification", "modality": "embedding", "classes": ["a", "b"],
        "artifact": {"format": "torch_export"}, "input": {"kind": "embedding", "column": "v", "length": 4},
        "output": {"kind": "logits"},
    }
)  # fmt: skip
LAYOUT = {"m/archive_format": b"pt2", "m/archive_version": b"0", "m/models/model.json": b"{}"}


def archive(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return stream.getvalue()


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def test_a_program_saved_by_torch_is_accepted() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    stream = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(4, 2), (torch.zeros(1, 4),)), stream)
    stream.seek(0)
    assert inspect(stream, CARD) == Inspection()


def test_a_checkpoint_of_torch_save_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, stream)
    assert "is a zip archive of torch.save or torch.jit.save; save the program" in refusal(stream.getvalue())


def test_pickled_parts_are_never_opened() -> None:
    entries = LAYOUT | {"m/data/sample_inputs/model.pt": pickle.dumps(Bomb())}
    assert inspect(io.BytesIO(archive(entries)), CARD) == Inspection()
    assert "is a pickle, which is never opened; save the program with torch.export.save" in refusal(
        pickle.dumps(Bomb())
    )


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidArgument) as caught:
        inspect(io.BytesIO(content), CARD)
    assert caught.value.reason is Reason.INVALID_ARTIFACT
    assert dict(caught.value.fields)["artifact.format"].startswith("is torch_export, but the file ")
    assert caught.value.message.startswith(("the artifact is ", "the artifact has ", "the artifact holds "))
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (archive({"a.txt": b"x"}), "is a zip archive of another program"),
        (archive({}), "is not a readable zip archive"),
        (archive(LAYOUT | {"m/archive_format": b"pt9"}), "has an unknown m/archive_format; expected pt2"),
        (archive(LAYOUT | {"m/archive_format": b"p" * 1000}), "has an unknown m/archive_format"),
        (archive(LAYOUT)[:-40], "is not a readable zip archive"),
        (
            archive({key: LAYOUT[key] for key in LAYOUT if "models" not in key}),
            "holds no program: m/models/ has no .json",
        ),
        (b"\x08\x0a\x12\x00", "is not a readable zip archive"),
        (b"hello", "is a text file"),
        (b"", "is empty"),
    ],
)
def test_another_file_is_refused(content: bytes, problem: str) -> None:
    assert problem in refusal(content)
