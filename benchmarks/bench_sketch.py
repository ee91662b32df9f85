"""How long it takes to sketch images and texts, and how large a signature gets.

python -m benchmarks.bench_sketch
"""

from __future__ import annotations

import argparse
import io
import sys

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.report import Report, print_table, repeat
from msearch_sketch import open_dataset, sketch

IMAGES = 2_000
TEXTS = 10_000
REPEATS = 5
_WORDS = 5_000


def images(count: int, generator: np.random.Generator) -> pa.Table:
    """PNG images of 28 x 28: a bright stroke-like blob on black, so that they compress as digits do."""
    rows, columns = np.mgrid[:28, :28]
    encoded = []
    for _ in range(count):
        centres = generator.uniform(6, 22, (3, 2))
        distance = np.min([(rows - y) ** 2 + (columns - x) ** 2 for y, x in centres], axis=0)
        pixels = np.clip(255 * np.exp(-distance / 12) + generator.normal(0, 4, (28, 28)), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return pa.table({"image": pa.array(encoded, pa.binary())})


def texts(count: int, generator: np.random.Generator) -> pa.Table:
    """Sentences of 5 to 30 words of Zipf-like frequency, about 100 characters each."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    vocabulary = ["".join(generator.choice(letters, generator.integers(2, 10))) for _ in range(_WORDS)]
    weights = 1 / np.arange(1, _WORDS + 1)
    picks = generator.choice(_WORDS, (count, 30), p=weights / weights.sum())
    lengths = generator.integers(5, 31, count)
    sentences = [" ".join(vocabulary[i] for i in row[:n]) for row, n in zip(picks, lengths, strict=True)]
    return pa.table({"text": sentences})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    quick = parser.parse_args().quick
    generator = np.random.default_rng(1)
    report = Report("sketch", quick=quick)
    cases = {
        "images_28x28": (images(IMAGES, generator), 1.0),
        "short_texts": (texts(TEXTS, generator), 3.0),
    }
    rows = []
    for name, (table, limit) in cases.items():
        dataset = open_dataset(table)
        timing = repeat(lambda dataset=dataset: sketch(dataset), 1 if quick else REPEATS)
        size = len(sketch(open_dataset(table.slice(0, 2_000))).signature.encoded)
        rows.append([name, f"{table.num_rows:,}", f"{timing.median:.3f}", f"{size / 1024:.1f}"])
        report.figure(name, {"rows": table.num_rows, "seconds": timing.seconds, "bytes_of_2000_rows": size})
        report.bar(f"sketch_{name}_s", timing.median, limit=limit)
        report.bar(f"signature_{name}_2000_rows_kib", size / 1024, limit=128)
    print_table(["data", "rows", "median s", "KiB at 2,000 rows"], rows)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
