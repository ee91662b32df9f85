"""Floating-point operations of one ONNX node, from the shapes of what it takes and gives. Imports onnx.

A multiply-add counts as two, any other arithmetic or transcendental function as one, comparisons and data movement as
none. The matrix formulas are the textbook ones (e.g. Goodfellow et al., Deep Learning, 2016, ch. 6 and 9); those of
normalisations count the operations of their definition in the ONNX operator specification.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from onnx import NodeProto, helper

Shapes = dict[str, tuple[int | None, ...]]

CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})


class UnknownShape(Exception):
    """The shape of the tensor `name` is not known."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Node:
    """A node with the shapes around it."""

    def __init__(self, node: NodeProto, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
        self._node = node
        self._shapes = shapes

    def _shape(self, name: str) -> tuple[int, ...]:
        shape = self._shapes.get(name)
        known = tuple(extent for extent in shape or () if extent is not None)
        if shape is None or len(known) != len(shape):
            raise UnknownShape(name)
        return known

    def input(self, index: int) -> tuple[int, ...]:
        return self._shape(self._node.input[index])

    def output(self) -> tuple[int, ...]:
        return self._shape(self._node.output[0])

    def has(self, index: int) -> bool:
        return len(self._node.input) > index and bool(self._node.input[index])

    def attribute(self, name: str, default: Any) -> Any:  # an integer, a list of them, or bytes
        for attribute in self._node.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default


def _conv(node: _Node) -> int:
    """2 · outputs · (input channels a group) · kernel, and an addition an output for the bias."""
    kernel = node.input(1)
    outputs = math.prod(node.output())
    return outputs * (2 * math.prod(kernel[1:]) + node.has(2))


def _qlinear_conv(node: _Node) -> int:
    """As Conv; the weight is the fourth input, the bias the ninth."""
    return math.prod(node.output()) * (2 * math.prod(node.input(3)[1:]) + node.has(8))


def _conv_transpose(node: _Node) -> int:
    """2 · inputs · (output channels a group) · kernel, and an addition an output for the bias."""
    return 2 * math.prod(node.input(0)) * math.prod(node.input(1)[1:]) + math.prod(node.output()) * node.has(2)


def _gemm(node: _Node) -> int:
    """2·M·N·K, and an addition an output for C."""
    inner = node.input(0)[0 if node.attribute("transA", 0) else 1]
    return math.prod(node.output()) * (2 * inner + node.has(2))


def _matmul(node: _Node) -> int:
    """2 · outputs · K."""
    return 2 * math.prod(node.output()) * node.input(0)[-1]


def _einsum(node: _Node) -> int:
    """2 · product of the extents of all indices, for two operands; one operand is a sum over its elements."""
    equation = node.attribute("equation", b"").decode().replace(" ", "")
    terms = equation.split("->")[0].split(",")
    if "." in equation or len(terms) > 2:
        raise UnknownShape(equation)
    extents = {
        letter: extent for i, term in enumerate(terms) for letter, extent in zip(term, node.input(i), strict=True)
    }
    return len(terms) * math.prod(extents.values())


def _recurrent(gates: int) -> Callable[[_Node], int]:
    def flops(node: _Node) -> int:
        """2 · steps · batch · directions · gates · hidden · (input + hidden), without the point-wise part."""
        steps, batch, width = node.input(0)
        directions, _, hidden = node.input(2)
        return 2 * steps * batch * directions * gates * hidden * (width + hidden)

    return flops


def _attention(node: _Node) -> int:
    """4 · batch · heads · queries · keys · head width (both products), and 5 a score for the softmax."""
    query, key = node.input(0), node.input(1)
    if len(query) == 4:
        batch, heads, queries, width = query
        return batch * heads * queries * key[2] * (4 * width + 5)
    heads = int(node.attribute("q_num_heads", 1))
    batch, queries, width = query
    return batch * queries * key[1] * (4 * width + 5 * heads)


def _pool(node: _Node) -> int:
    """One an element under the kernel."""
    return math.prod(node.output()) * int(math.prod(node.attribute("kernel_shape", [1])))


def _each_output(factor: int) -> Callable[[_Node], int]:
    return lambda node: factor * math.prod(node.output())


def _each_input(node: _Node) -> int:
    return math.prod(node.input(0))


def _variadic(node: _Node) -> int:
    """One an output for each input after the first."""
    return math.prod(node.output()) * max(1, sum(node.has(index) for index in range(64)) - 1)


def _nothing(_node: _Node) -> int:
    return 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


_RULES: dict[str, Callable[[_Node], int]] = {
    **dict.fromkeys(_words("Conv ConvInteger"), _conv),
    "QLinearConv": _qlinear_conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    **dict.fromkeys(_words("MatMul MatMulInteger QLinearMatMul"), _matmul),
    "Einsum": _einsum,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    "Attention": _attention,
    **dict.fromkeys(_words("MaxPool AveragePool LpPool"), _pool),
    **dict.fromkeys(_words("Sum Mean Max Min"), _variadic),
    # One an element.
    **dict.fromkeys(
        _words(
            """
            Add Sub Mul Div Pow Mod Neg Abs Sqrt Reciprocal Exp Log Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh
            Acosh Atanh Sigmoid Relu LeakyRelu PRelu ThresholdedRelu Clip Elu Selu Celu Softplus Softsign HardSigmoid
            Sign Floor Ceil Round CumSum
            """
        ),
        _each_output(1),
    ),
    # Quantise and dequantise scale and shift; a batch normalisation, folded, too.
    **dict.fromkeys(
        _words("QuantizeLinear DequantizeLinear DynamicQuantizeLinear BatchNormalization"), _each_output(2)
    ),
    **dict.fromkeys(_words("HardSwish Mish Swish"), _each_output(3)),
    "Gelu": _each_output(5),
    # Largest, difference, exponential, sum, quotient.
    **dict.fromkeys(_words("Softmax LogSoftmax"), _each_output(5)),
    # Mean, difference, square, sum, quotient, scale, shift.
    **dict.fromkeys(_words("LayerNormalization InstanceNormalization GroupNormalization"), _each_output(7)),
    **dict.fromkeys(_words("RMSNormalization SimplifiedLayerNormalization LpNormalization"), _each_output(4)),
    "LRN": _each_output(4),
    # One an element that goes in.
    **dict.fromkeys(
        _words(
            """
            ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 GlobalAveragePool GlobalMaxPool
            """
        ),
        _each_input,
    ),
    **dict.fromkeys(
        _words("ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp"),
        lambda node: 2 * _each_input(node),
    ),
    # Interpolation between four neighbours at most: eight operations.
    "Resize": _each_output(8),
    # Comparisons, logic, data movement, text.
    **dict.fromkeys(
        _words(
            """
            Identity Constant ConstantOfShape Shape Size Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice
            Gather GatherElements GatherND ScatterElements ScatterND Scatter Expand Tile Pad Cast CastLike Where Range
            Dropout DepthToSpace SpaceToDepth OneHot EyeLike Trilu ReverseSequence Compress Unique NonZero TopK ArgMax
            ArgMin Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor BitwiseAnd BitwiseOr BitwiseXor
            BitwiseNot BitShift IsNaN IsInf NonMaxSuppression StringNormalizer StringConcat StringSplit RegexFullMatch
            TfIdfVectorizer LabelEncoder ZipMap ArrayFeatureExtractor Bernoulli RandomNormal RandomNormalLike
            RandomUniform RandomUniformLike
            """
        ),
        _nothing,
    ),
}


def is_known(node: NodeProto) -> bool:
    """Whether there is a rule for it."""
    return node.op_type in _RULES and node.domain in ("", "ai.onnx", "ai.onnx.ml")


def flops_of(node: NodeProto, shapes: Mapping[str, tuple[int | None, ...]]) -> int:
    """Floating-point operations. Raises UnknownShape if a shape that is needed is not in `shapes`."""
    return _RULES[node.op_type](_Node(node, shapes))
