"""A card carries its tokenizer file, so that an agent or another machine can run the model."""

from __future__ import annotations

import base64
import json
import random
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msearch_card import Card, CardError, TooLargeToCarry, carry_files, parse_card
from msearch_card.carried_files import LONGEST_TEXT, pack_file, unpack_file
from msearch_card.inputs import prepare
from msearch_client import LocalError
from msearch_client._models import carry_files_of
from profiler_agent.measuring.rows import read_sample
from profiler_agent.work import TensorSpec

BATCH = pa.record_batch({"t": ["red green", "blue red green blue"]})
IDS = [[1, 2, 9], [3, 1, 2]]


def card_in(folder: Path, **encoding: Any) -> Card:
    spec = {"type": "tokenizer", "file": "tokenizer.json", "length": 3} | encoding
    values = {
        "name": "words",
        "task": "classification",
        "modality": "text",
        "classes": ["a", "b"],
        "artifact": {"format": "onnx"},
        "input": {"kind": "text", "column": "t", "tensor": "ids", "encoding": spec},
        "output": {"kind": "logits"},
    }
    return parse_card(values, base=folder)


@pytest.fixture
def card(tmp_path: Path) -> Card:
    tokenizers = pytest.importorskip("tokenizers", reason="the optional package tokenizers is not installed")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"red": 1, "green": 2, "blue": 3, "[PAD]": 9}, "[PAD]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=9, pad_token="[PAD]")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return card_in(tmp_path)


def test_a_card_runs_without_its_folder(card: Card) -> None:
    alone = parse_card(carry_files(card).canonical_json())
    assert alone.base is None
    assert prepare(alone, BATCH).tensors["ids"].tolist() == prepare(card, BATCH).tensors["ids"].tolist() == IDS


def test_what_is_carried_is_the_file_and_comes_once(card: Card, tmp_path: Path) -> None:
    carried = carry_files(card)
    assert (
        unpack_file(json.loads(carried.canonical_json())["input"]["encoding"]["content"])
        == (tmp_path / "tokenizer.json").read_bytes()
    )
    assert carried == carry_files(card)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert carry_files(carried) is carried
    assert prepare(carried, BATCH).tensors["ids"].tolist() == IDS


def test_an_agent_reads_a_sample_with_it(card: Card, tmp_path: Path) -> None:
    sample = tmp_path / "sample.arrow"
    with pa.ipc.new_stream(sample, BATCH.schema) as writer:
        writer.write_batch(BATCH)
    specs = (TensorSpec(name="ids", element_type="int64", shape=("n", 3)),)
    read = read_sample(carry_files(card).canonical_json(), sample, "", specs)
    assert read.rows.tensors["ids"].tolist() == IDS


def test_other_cards_stay_as_they_are(tmp_path: Path) -> None:
    hashing = parse_card(
        {
            "name": "h",
            "task": "ranking",
            "modality": "text",
            "input": {"kind": "text", "column": "t", "encoding": "raw"},
        },
        base=tmp_path,
    )
    assert carry_files(hashing) is hashing
    homeless = card_in(tmp_path).with_base(None)
    assert carry_files(homeless) is homeless


@pytest.mark.parametrize(("content", "problem"), [(None, "cannot be read"), ("[1]", "is not a tokenizer.json")])
def test_a_bad_file_is_named(tmp_path: Path, content: str | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CardError, match=problem) as caught:
        carry_files(card_in(tmp_path))
    assert caught.value.fields[0][0] == "input.encoding.file"
    with pytest.raises(LocalError, match=problem):
        carry_files_of(card_in(tmp_path))


def test_a_file_that_is_too_large_stays_behind_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = base64.b64encode(random.Random(1).randbytes(LONGEST_TEXT)).decode()
    (tmp_path / "tokenizer.json").write_text(json.dumps({"vocabulary": noise}))
    large = card_in(tmp_path)
    with pytest.raises(TooLargeToCarry, match="a card carries at most"):
        carry_files(large)
    assert carry_files_of(large) is large
    assert "agents will run words@1 on generated inputs" in caplog.text


@pytest.mark.parametrize(
    "content",
    ["?", "AAAA", base64.b64encode(zlib.compress(b"[]")).decode(), base64.b64encode(zlib.compress(b"{")).decode(),
     base64.b64encode(zlib.compress(b"{}" * 9)[:-3]).decode(), "A" * (LONGEST_TEXT + 1)],
)  # fmt: skip
def test_content_of_strangers_is_checked(tmp_path: Path, content: str) -> None:
    with pytest.raises(CardError) as caught:
        card_in(tmp_path, content=content)
    assert caught.value.fields[0][0] == "input.encoding.content"


def test_a_text_that_unpacks_to_too_much_is_refused() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(65 << 20))).decode()
    with pytest.raises(ValueError, match="holds more than"):
        unpack_file(bomb)


@given(data=st.binary(max_size=2000))
def test_bytes_make_the_round_trip(data: bytes) -> None:
    assert unpack_file(pack_file(data)) == data
