"""Makes torch.export archives safe to load: what torch.export.load would execute is refused or left out.

torch.export.load (2.13, and it says so) runs code that the file names: it unpickles `data/sample_inputs` (falling back
to `weights_only=False`), pickled weights and constants; loads the shared libraries of `data/aotinductor`; resolves
operators by attribute from the module torch (`torch.os.system`); evaluates shape expressions with sympy; imports the
modules that tree specifications name; and writes names and guards into Python source that it executes.

So `clean_copy` writes an archive of its own: raw tensors are copied, the program is checked word by word, sample
inputs are replaced by nothing, guards and metadata are dropped. What remains can name operators of ATen and no more.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msearch_running.errors import LoadFailed, MissingOperator, RefusedArtifact
from msearch_running.runtimes._torch_expressions import check_expression, check_tree

_PROGRAM = "models/model.json"
_SAMPLE_INPUTS = "data/sample_inputs/model.pt"
_PAYLOADS = {"data/weights/": "weights", "data/constants/": "constants"}
_LONGEST_PROGRAM = 256 << 20

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DOTTED = re.compile(r"[\w.]*", re.ASCII)
_FREE = frozenset({"torch_version"})  # never looked at
_QUOTED = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f]*')  # strings that generated code, also C++, puts between quotes

_ATEN = re.compile(
    r"torch\.ops\.(aten|prims|quantized_decomposed)\.((?!__)\w+|__(?:and|or|xor|lshift|rshift)__)"
    r"(\.(?!_)\w+)?",
    re.ASCII,
)
_FILE_OPERATORS = frozenset({"from_file", "save", "load"})
_HIGHER_ORDER = re.compile(r"torch\.ops\.higher_order\.(cond|while_loop|scan|map_impl|associative_scan"
                           r"|wrap_with_set_grad_enabled|wrap_with_autocast)")  # fmt: skip
_SCALAR = re.compile(
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|getitem|lshift|rshift|index)"
    r"|math\.(ceil|floor|trunc|sqrt|isqrt|log2|pow)"
    r"|torch\.(sym_(int|float|max|min|not|ite|sum|sqrt|log2)|_sym_sqrt)"
)


def clean_copy(source: Path, target: Path) -> frozenset[str]:
    """Writes to `target` what of the archive `source` can be loaded without running code of its author.

    Gives the operators that the program calls, as it names them, e.g. "torch.ops.aten.relu.default".

    Raises:
        RefusedArtifact: it holds pickled objects or native code, or names what is no operator.
        MissingOperator: it needs an operator that is not part of PyTorch itself.
        LoadFailed: it is damaged, or was not written by torch.export.save.
    """
    with source.open("rb") as stream:
        if re.match(rb"\x80[\x02-\x05]", stream.read(2)):
            raise RefusedArtifact(
                "the file is a pickle, which is never opened; save the program with torch.export.save"
            )
    try:
        with zipfile.ZipFile(source) as archive:
            root = _root(archive)
            program = _checked_program(_json(archive, f"{root}/{_PROGRAM}"))
            kept = _payload_files(archive, root)
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
                copy.writestr("model/archive_format", b"pt2")
                copy.writestr("model/archive_version", archive.read(f"{root}/archive_version"))
                copy.writestr("model/byteorder", archive.read(f"{root}/byteorder"))
                copy.writestr("model/.data/version", archive.read(f"{root}/.data/version"))
                copy.writestr(f"model/{_PROGRAM}", json.dumps(program))
                copy.writestr(f"model/{_SAMPLE_INPUTS}", b"")
                for name in kept:
                    info = zipfile.ZipInfo(f"model/{name}")
                    with archive.open(f"{root}/{name}") as reading, copy.open(info, "w", force_zip64=True) as writing:
                        shutil.copyfileobj(reading, writing, 1 << 20)
        return frozenset(_targets(program["graph_module"]["graph"]))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RecursionError) as error:
        raise LoadFailed(f"the archive is damaged or was not written by torch.export.save: {error}") from None


def _root(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    roots = [name.removesuffix("/archive_format") for name in names if re.fullmatch(r"[^/]+/archive_format", name)]
    if len(roots) != 1:
        if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
            raise RefusedArtifact("the file is a pickle of torch.save or torch.jit.save, which is never opened; save "
                                  "the program with torch.export.save")  # fmt: skip
        if "serialized_exported_program.json" in names:
            raise RefusedArtifact("the archive is of PyTorch before 2.8, whose weights are pickled; export it again")
        raise ValueError("it has no archive_format")
    if any(name.startswith(f"{roots[0]}/data/aotinductor/") for name in names):
        raise RefusedArtifact("the archive holds native code compiled by AOTInductor; save the program itself, with"
                              " torch.export.save")  # fmt: skip
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise ValueError("it is compressed, which torch.export.save never does")
    return roots[0]


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _LONGEST_PROGRAM:
        raise ValueError(f"{name} is larger than {_LONGEST_PROGRAM >> 20} MiB")
    return json.loads(archive.read(name))


def _payload_files(archive: zipfile.ZipFile, root: str) -> list[str]:
    """The raw tensors that the two configurations name, and the configurations. Pickled ones are refused."""
    kept: set[str] = set()
    present = set(archive.namelist())
    for folder, kind in _PAYLOADS.items():
        config = f"{folder}model_{kind}_config.json"
        if f"{root}/{config}" not in present:
            raise RefusedArtifact(f"the archive keeps its {kind} as a pickle, which is never opened; save it again with"
                                  " a newer torch.export.save")  # fmt: skip
        for name, payload in _json(archive, f"{root}/{config}")["config"].items():
            path = payload["path_name"]
            if payload["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", path):
                raise RefusedArtifact(f"the archive keeps {name!r} as a pickle, which is never opened; only plain dense"
                                      " tensors can be read")  # fmt: skip
            _check_words(payload["tensor_meta"], f"{kind} {name}")
            kept.add(f"{folder}{path}")
        kept.add(config)
    return sorted(kept)


def _checked_program(program: dict[str, Any]) -> dict[str, Any]:
    program = {**program, "guards_code": []}  # Python source that torch would execute
    graph_module = program["graph_module"] = {**program["graph_module"], "metadata": {}}
    _drop_metadata(graph_module["graph"])
    _check_words(program, "program")
    return program


def _drop_metadata(graph: Any) -> None:
    """Stack traces and module names, also of the subgraphs of `cond` and the like."""
    for node in graph["nodes"]:
        node["metadata"] = {}
        for argument in node["inputs"]:
            if nested := argument["arg"].get("as_graph"):
                _drop_metadata(nested["graph"])


def _targets(graph: Any) -> Iterator[str]:
    for node in graph["nodes"]:
        yield node["target"]
        for argument in node["inputs"]:
            if nested := argument["arg"].get("as_graph"):
                yield from _targets(nested["graph"])


def _check_words(value: Any, field: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_word(key, "key")
            _check_words(inner, key)
    elif isinstance(value, list):
        for inner in value:
            _check_words(inner, field)
    elif isinstance(value, str):
        _check_word(value, field)


def _check_word(word: str, field: str) -> None:
    if field in _FREE:
        return
    if field in ("as_string", "as_strings"):
        if not _QUOTED.fullmatch(word):
            raise RefusedArtifact(
                f"the program passes the text {word[:80]!r}, with characters that code gives a meaning"
            )
        return
    if field in ("target", "as_operator"):
        _check_operator(word)
    elif field == "expr_str":
        check_expression(word)
    elif field in ("in_spec", "out_spec"):
        if word:
            check_tree(word)
    elif field in ("name", "as_name", "forward_arg_names"):
        if not _IDENTIFIER.fullmatch(word):
            raise RefusedArtifact(f"the program has the name {word[:80]!r}, which is no identifier")
    elif field in ("as_custom_obj", "class_fqn"):
        raise RefusedArtifact(f"the program holds a custom object, {word[:80]!r}")
    elif not _DOTTED.fullmatch(word):
        raise RefusedArtifact(f"the program has {word[:80]!r} as its {field}")


def _check_operator(target: str) -> None:
    if aten := _ATEN.fullmatch(target):
        if aten[2] in _FILE_OPERATORS:
            raise RefusedArtifact(f"the program calls {target}, which reads or writes files")
        return
    if _HIGHER_ORDER.fullmatch(target) or _SCALAR.fullmatch(target):
        return
    if target.startswith("torch.ops."):
        raise MissingOperator(f"the operator {target} is not part of PyTorch itself; custom operator libraries are"
                              " never loaded")  # fmt: skip
    raise RefusedArtifact(f"the program calls {target[:80]!r}, which is no operator")
