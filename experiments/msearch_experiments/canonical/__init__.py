"""Generated canonical models: real networks of a family and a size, without training, the same bytes everywhere."""

from msearch_experiments.canonical.architecture import Architecture
from msearch_experiments.canonical.cards import card_of
from msearch_experiments.canonical.checking import canonical, plan_graph
from msearch_experiments.canonical.families import families
from msearch_experiments.canonical.onnx_file import onnx_bytes

__all__ = ["Architecture", "canonical", "card_of", "families", "onnx_bytes", "plan_graph"]
