"""Decoding untrusted bytes: a valid signature or a SignatureError, never anything else."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from msearch_sketch import Signature, SignatureError, Validation
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import CoresetRule, FeatureSpace, FourierFeatures, HashFamily, Partitioning

SPACE = FeatureSpace(
    modality="embedding",
    featuriser="test@1",
    dimension=2,
    hashing=HashFamily(projections=2, tables=2, widths_ticks=(256, 512), key_budget=16),
    fourier=FourierFeatures(features=2),
    partitioning=Partitioning(rows=8, most=3, dimensions=2, bins=3),
    coreset=CoresetRule(centroids=4, least_rows=2, sample_rows=16),
)


def make_signature() -> Signature:
    sketcher = Sketcher(SPACE)
    rng = np.random.default_rng(3)
    sketcher.add(rng.integers(-900, 900, (30, 2)).astype(np.int16), rng.integers(0, 2, 30))
    bins = (0,) * 13 + (10, 20)
    validation = Validation(
        accuracy=0.5, count=30, temperature=1.5, mean_confidence=0.7, atc_threshold=-0.4,
        confidence_counts=bins, confidence_correct=bins,
    )  # fmt: skip
    return sketcher.signature(("no", "yes"), validation)


ENCODED = make_signature().encoded


def decode_or_refuse(data: bytes) -> None:
    try:
        signature = Signature.from_bytes(data)
    except SignatureError:
        return
    # Whatever is accepted can be used, encoded and decoded again.
    assert Signature.from_bytes(signature.encoded) == signature
    assert np.isfinite(signature.mean).all()
    assert np.isfinite(signature.variance).all()
    try:
        signature.check_space(SPACE)
    except SignatureError:
        return


def test_round_trip():
    signature = Signature.from_bytes(ENCODED)
    assert signature == make_signature()
    assert signature.encoded == ENCODED
    assert signature.validation == make_signature().validation
    signature.check_space(SPACE)


@given(st.integers(0, len(ENCODED) - 1))
def test_every_truncation_is_refused(length):
    with pytest.raises(SignatureError):
        Signature.from_bytes(ENCODED[:length])


@given(st.binary(min_size=1, max_size=20))
def test_trailing_bytes_are_refused(tail):
    with pytest.raises(SignatureError):
        Signature.from_bytes(ENCODED + tail)


def test_every_single_flipped_bit_gives_a_valid_signature_or_an_error():
    for at in range(len(ENCODED)):
        for bit in (0, 3, 7):
            decode_or_refuse(ENCODED[:at] + bytes([ENCODED[at] ^ (1 << bit)]) + ENCODED[at + 1 :])


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(ENCODED) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_overwritten_bytes_give_a_valid_signature_or_an_error(changes):
    data = bytearray(ENCODED)
    for at, value in changes:
        data[at] = value
    decode_or_refuse(bytes(data))


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    with pytest.raises(SignatureError):
        Signature.from_bytes(b"MSSG" + data)


def header_and_arrays() -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", ENCODED, 8)[0]
    return json.loads(ENCODED[12 : 12 + length]), ENCODED[12 + length :]


def with_header(header: Any) -> bytes:
    text = json.dumps(header).encode()
    return ENCODED[:8] + struct.pack("<I", len(text)) + text + header_and_arrays()[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(header_and_arrays()[0])), JSON)
@example("resolutions", 0)
@example("row_count", True)
@example("classes", ["a", ["b"]])
@example("validation", {"accuracy": 10**400})
def test_a_changed_header_field_gives_a_valid_signature_or_an_error(field, value):
    header, _ = header_and_arrays()
    decode_or_refuse(with_header(header | {field: value}))


@settings(max_examples=200)
@given(st.sampled_from(["accuracy", "atc_threshold", "count", "mean_confidence", "temperature"]), JSON)
@example("accuracy", 10**400)
@example("atc_threshold", float("nan"))
@example("temperature", float("inf"))
@example("mean_confidence", True)
def test_a_changed_validation_statistic_gives_a_valid_signature_or_an_error(field, value):
    header, _ = header_and_arrays()
    header["validation"][field] = value
    decode_or_refuse(with_header(header))


@given(st.integers(0, 13), st.lists(st.integers(-1, 2**70), max_size=4))
def test_a_changed_shape_is_refused(place, shape):
    header, _ = header_and_arrays()
    if header["arrays"][place][2] != shape:
        header["arrays"][place][2] = shape
        decode_or_refuse(with_header(header))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a msearch signature"),
        (b"PAR1" + bytes(30), "not a msearch signature"),
        (b"MSSG\x02\x00" + bytes(30), "reads format 1"),
        (ENCODED[:100], "cut off"),
        (bytes(2 << 20), "at most"),
    ],
)
def test_messages_say_what_is_wrong(data, message):
    with pytest.raises(SignatureError, match=message):
        Signature.from_bytes(data)
