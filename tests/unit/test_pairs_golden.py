"""Features and spaces of pairs, to the byte: models read pairs-similarity@1, registered signatures hold either."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from msearch_sketch import get_featuriser, open_dataset

ROWS = [
    ({"name": "The Chess Players", "year": 1876}, {"name": "The Chess Players (Eakins painting)", "year": 1876}),
    ({"name": "Café Zürich, St. Gallen", "year": None}, {"name": "Cafe Zurich (Saint Gallen)", "year": 1998}),
    ({"name": "1998 ASB Classic – Final II", "year": 98}, {"name": "1997 A.S.B. Classic, 2nd final", "year": 1997}),
    ({"name": "Mu'izz al-Dawla", "year": 5}, {"name": None, "year": 5}),
    ({"name": "東京 museum", "year": 12}, {"name": "museum of 東京", "year": 21}),
]
GOLDEN = {
    "pairs-similarity@1": (
        "5c7374513d7d697e15c394a3b26079868932abe60faff55b2f5033dd93e64f7f",
        "8ca0ee293e83d4fc417a67c18bfdfad335141e7776f9f6a77fc2ca3069a71b46",
    ),
    "pairs-similarity@2": (
        "48af5b95e759646ffe3b7fb08e7ba5b525e6d381a14162f85025f89a15ada59f",
        "04427dd700148c1728b7ec4c986fb9f28184a06fa371e2ed183bb63fe163a356",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_features_stay_as_they_are(name):
    left, right = zip(*ROWS, strict=True)
    dataset = open_dataset(pa.table({"left": list(left), "right": list(right)}))
    featuriser = get_featuriser(name)
    space = featuriser.fixed_space(dataset.columns)
    ticks = featuriser.transform(next(dataset.batches()), dataset.columns, space).ticks
    assert (space.digest, hashlib.sha256(ticks.tobytes()).hexdigest()) == GOLDEN[name]
