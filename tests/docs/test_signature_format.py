"""docs/signature-format.md describes the arrays and constants that the code has."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa

from msearch_sketch import fourier, open_dataset, randomness, sketch

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "signature-format.md").read_text(encoding="utf-8")


def encode() -> bytes:
    return sketch(open_dataset(pa.table({"text": [f"row {i}" for i in range(30)]}))).signature.encoded


def test_a_reader_written_from_the_page_finds_every_array():
    data = encode()
    magic, version, _, length = struct.unpack("<4sHHI", data[:12])
    assert (magic, version) == (b"MSSG", 1)
    header = json.loads(data[12 : 12 + length])
    rows = re.findall(r"^\| `(\w+)` \| `(<?\w\d)` \|", PAGE, re.MULTILINE)
    assert [entry[:2] for entry in header["arrays"]] == [list(row) for row in rows]
    at = 12 + length
    for _, kind, shape in header["arrays"]:
        at += int(np.prod(shape)) * int(kind[-1])
    assert at == len(data)
    described = set(re.findall(r"^\| `(\w+)` \| (?!`)", PAGE, re.MULTILINE))
    assert set(header) == described


def test_the_constants_are_those_of_the_code():
    for constant in (randomness._GAUSSIAN_SCALE, fourier._RADIAN, fourier.COSINE_UNIT):
        assert str(constant) in PAGE
