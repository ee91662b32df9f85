"""Signatures of fixed inputs, to the byte.

A digest that changes here changes for every user: signatures already registered would no longer match new ones. Then
raise the featuriser's version (or the sketcher's) and keep the old one readable; never just paste the new digest.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from msearch_sketch import FeatureSpace, default_space, get_featuriser, merge, open_dataset, sketch
from msearch_sketch.randomness import draw_below

ROWS = 200

SPACES = {
    "image": "e06277eec2c2c6a1fc15c758d5c41b796da4fce3a1b9f68626c19957c213a32b",
    "text": "3dfff3531080153b5fd4cdcdbc37cd3f578e01cc335d5968848bf66f5d830fde",
    "words": "49b22377cf82b566d9b1d6c9e71f2f81e6435ad8c198841512a9686ecdd6a42a",
    "embedding": "f48d970c3b7692ea33261ce25ac61224ab44c7a27ba5ebcaa057f359e15261a0",
}
SIGNATURES = {
    "image": "6480296b54eaabd84b9caede3cc107ccaeaba09fc8b0b5fc2082205418a11d46",
    "text": "1f3a2c026ad61958f345ce7b701f84b03b6ea5bac783d9e4ff7c2cd5cdba8101",
    "words": "d2b6b71e6dacac55357479c697552c49f61a543881581af497befc616f35778c",
    "embedding": "01b97f43019dd4e5e18d53da15ccee43f019d25e919402f555208fca4f551e26",
    "merged": "1cce76dbd5da05cabdd1c4c5658f015c6fc67033cd3c8a2dc8a1096e4f8fb184",
}


def image(seed: int) -> bytes:
    """A few bright rectangles; every other image is in colour."""
    places = draw_below(seed, 1, 16, 20).reshape(4, 4)
    pixels = np.zeros((28, 24, 3) if seed % 2 else (28, 24), np.uint8)
    for top, left, height, shade in places:
        pixels[top : top + height, left : left + 5] = 255 - 12 * shade
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def text(seed: int) -> str:
    words = ("good", "Bad", "film", "the", "Straße", "of", "naïve", "10.5", "plot!", "猫が", "and", "tiresome")
    return " ".join(words[place] for place in draw_below(seed, 2, 12, len(words)))


def make_table(modality: str) -> pa.Table:
    labels = [("a", "b", "c")[place] for place in draw_below(1, 3, ROWS, 3)]
    if modality == "image":
        return pa.table({"image": pa.array([image(seed) for seed in range(ROWS)], pa.binary()), "label": labels})
    if modality in ("text", "words"):
        return pa.table({"text": [text(seed) for seed in range(ROWS)], "label": labels})
    values = (draw_below(5, 4, ROWS * 100, 2001) - 1000) / 7
    return pa.table({"vector": pa.FixedSizeListArray.from_arrays(values.astype(np.float32), 100)})


def make_space(name: str) -> FeatureSpace:
    """The default space, but for "text": there that of text-hash@1, in which signatures are registered."""
    dataset = open_dataset(make_table(name))
    if name == "text":
        space = get_featuriser("text-hash@1").fixed_space(dataset.columns)
        assert space is not None
        return space
    return default_space(dataset)


def digests() -> dict[str, str]:
    """Digests of all signatures, and of the merge of two texts' halves."""
    found = {name: sketch(open_dataset(make_table(name)), make_space(name)).signature.digest for name in SPACES}
    halves = [sketch(open_dataset(make_table("text").slice(start, 100)), make_space("text")) for start in (0, 100)]
    return found | {"merged": merge([half.signature for half in halves], halves[0].space).digest}


@pytest.mark.parametrize("name", sorted(SPACES))
def test_built_in_spaces_stay_what_they_are(name):
    assert make_space(name).digest == SPACES[name]


def test_signatures_stay_what_they_are():
    assert digests() == SIGNATURES


def older_processor() -> dict[str, str]:
    """Environment in which BLAS takes old kernels and numpy none of its wide vector instructions."""
    from numpy._core import _multiarray_umath as core

    wide = [feature for feature in core.__cpu_dispatch__ if core.__cpu_features__.get(feature)]
    return {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": " ".join(wide)}


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "2", "LC_ALL": "tr_TR.UTF-8"}, older_processor()],
    ids=["hash seed and threads", "processor"],
)
def test_another_process_makes_the_same_bytes(environment):
    program = "import sys; sys.path.insert(0, sys.argv[1]); import test_sketch_golden as golden\n"
    program += "print(golden.digests() == golden.SIGNATURES)"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(Path(__file__).parent)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.stdout.strip() == "True", run.stderr
