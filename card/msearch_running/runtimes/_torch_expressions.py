"""Checks two kinds of text in torch.export programs that torch evaluates: shape expressions and tree specifications."""

from __future__ import annotations

import ast
import json
import re

from msearch_running.errors import RefusedArtifact

# What sympy.srepr writes for a shape: constructors, and the functions of torch.utils._sympy.functions.
_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
        Symbol Integer Rational Float Add Mul Pow Max Min Mod Abs floor ceiling sqrt And Or Not Piecewise
        ExprCondPair Tuple Eq Ne Lt Le Gt Ge Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan
        FloorDiv ModularIndexing Where PythonMod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural
        FloatPow FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt
        RoundDecimal ToFloat Identity
        """,
    )
)
_CONSTANTS = frozenset({"oo", "int_oo", "true", "false", "One", "Zero"})
_SYMBOL = re.compile(r"(s|u|i|f|zf|zuf|uf)\d+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?", re.ASCII)
_OPERATORS = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
    ast.Load,
)  # fmt: skip
_LONGEST = 20_000

_TREES = frozenset(
    {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "builtins.immutable_list",
     "torch.fx.immutable_collections.immutable_list", "torch.fx.immutable_collections.immutable_dict"}
)  # fmt: skip


def check_expression(text: str) -> None:
    """Raises RefusedArtifact for anything but arithmetic over symbols and numbers: sympy evaluates it as Python."""
    try:
        if len(text) > _LONGEST:
            raise RefusedArtifact(f"the program has a shape expression of {len(text):,} characters")
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text) from None
    quoted: set[int] = set()  # constants inside Symbol('s0') and Float('0.5'), the only places for a string
    named: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
                raise _refused(text)
            named.add(id(node.func))
            pattern = {"Symbol": _NAME, "Float": _NUMBER}.get(node.func.id)
            if pattern and node.args and isinstance(node.args[0], ast.Constant):
                quoted.add(id(node.args[0]))
                if not pattern.fullmatch(str(node.args[0].value)):
                    raise _refused(text)
        elif isinstance(node, ast.keyword):
            if node.arg is None or not isinstance(node.value, ast.Constant):
                raise _refused(text)
        elif isinstance(node, ast.Name):
            if id(node) not in named and node.id not in _CONSTANTS and not _SYMBOL.fullmatch(node.id):
                raise _refused(text)
        elif isinstance(node, ast.Constant):
            if id(node) not in quoted and not isinstance(node.value, (bool, int, float)):
                raise _refused(text)
        elif not isinstance(node, _OPERATORS):
            raise _refused(text)


def check_tree(text: str) -> None:
    """Raises RefusedArtifact for a nesting of anything but tuples, lists and dictionaries with plain keys.

    Other types make torch import the module that the text names.
    """
    try:
        version, tree = json.loads(text)
        pending = [tree]
        while pending:
            node = pending.pop()
            if version != 1 or node["type"] not in _TREES or not _plain(node["context"]):
                raise RefusedArtifact(f"the program takes or gives a {node['type']}; only tensors in tuples, lists and"
                                    " dictionaries can be read")  # fmt: skip
            pending += node["children_spec"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedArtifact(f"the program has the tree specification {text[:80]!r}") from None


def _plain(context: str | None) -> bool:
    keys = None if context is None else json.loads(context)
    return keys is None or (isinstance(keys, list) and all(isinstance(key, (str, int)) for key in keys))


def _refused(text: str) -> RefusedArtifact:
    return RefusedArtifact(f"the program has the shape expression {text[:80]!r}, which is not plain arithmetic")
