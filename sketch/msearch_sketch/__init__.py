"""Turns datasets into signatures: what a search needs to know of the data, without the data.

Example:
    dataset = open_dataset("reviews.csv")
    result = sketch(dataset)
    result.signature.encoded
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msearch_sketch.datasets import Dataset as Dataset
    from msearch_sketch.datasets import open_dataset as open_dataset
    from msearch_sketch.errors import DatasetError as DatasetError
    from msearch_sketch.errors import SignatureError as SignatureError
    from msearch_sketch.errors import SketchError as SketchError
    from msearch_sketch.errors import SpaceError as SpaceError
    from msearch_sketch.featurisers import get_featuriser as get_featuriser
    from msearch_sketch.merging import merge as merge
    from msearch_sketch.points import Points as Points
    from msearch_sketch.points import project as project
    from msearch_sketch.signature import Signature as Signature
    from msearch_sketch.signature import Validation as Validation
    from msearch_sketch.sketching import SketchResult as SketchResult
    from msearch_sketch.sketching import default_space as default_space
    from msearch_sketch.sketching import sketch as sketch
    from msearch_sketch.spaces import FeatureSpace as FeatureSpace
    from msearch_sketch.validation import validation_statistics as validation_statistics

# Loaded on first use, so that a service that only decodes signatures never imports pyarrow or Pillow.
_HOMES = {
    "Dataset": "datasets",
    "DatasetError": "errors",
    "FeatureSpace": "spaces",
    "Points": "points",
    "Signature": "signature",
    "SignatureError": "errors",
    "SketchError": "errors",
    "SketchResult": "sketching",
    "SpaceError": "errors",
    "Validation": "signature",
    "default_space": "sketching",
    "get_featuriser": "featurisers",
    "merge": "merging",
    "open_dataset": "datasets",
    "project": "points",
    "sketch": "sketching",
    "validation_statistics": "validation",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
