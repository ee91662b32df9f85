"""torch.export archives: what torch.export.load would unpickle, import or execute is refused, by whatever way."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msearch_running.errors import LoadFailed, MissingOperator, RefusedArtifact, RunError
from msearch_running.runtimes._torch_archives import clean_copy
from msearch_running.runtimes._torch_expressions import check_expression, check_tree
from tests.compiled_models import EXAMPLES, Bomb, reference, write_model

pytest.importorskip("torch", reason="torch is not installed")

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models"), "mlp", "torch_export")


def changed(source: Path, target: Path, *, program: Change | None = None, **files: bytes | None) -> Path:
    """A copy with the program edited, and with files (dots for slashes) added, replaced, or (None) left out."""
    given = {name.replace("__", "/").replace("_DOT_", "."): content for name, content in files.items()}
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        root = archive.namelist()[0].split("/")[0]
        for name in archive.namelist():
            content = archive.read(name)
            if program and name.endswith("models/model.json"):
                value = json.loads(content)
                program(value)
                content = json.dumps(value).encode()
            if name.removeprefix(f"{root}/") not in given:
                copy.writestr(name, content)
        for name, added in given.items():
            if added is not None:
                copy.writestr(f"{root}/{name}", added)
    return target


def refusal(source: Path, tmp_path: Path) -> RunError:
    with pytest.raises(RunError) as caught:
        clean_copy(source, tmp_path / "clean.pt2")
    return caught.value


def node(program: dict[str, Any], index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = program["graph_module"]["graph"]["nodes"][index]
    return found


def test_a_clean_copy_computes_the_same(program: Path, tmp_path: Path) -> None:
    import torch

    clean_copy(program, tmp_path / "clean.pt2")
    feed = EXAMPLES["mlp"].feed(5)
    module = torch.export.load(tmp_path / "clean.pt2").module(check_guards=False)
    output = module(x=torch.from_numpy(feed["x"]))["logits"]
    assert abs(output.detach().numpy() - reference("mlp", feed)).max() < 1e-5


def test_nothing_that_is_pickled_or_executed_is_in_the_copy(program: Path, tmp_path: Path) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["guards_code"] = ["__import__('os').abort()"]
        node(value)["metadata"]["stack_trace"] = '"""\nimport os; os.abort()'

    bombed = changed(
        program,
        tmp_path / "bombed.pt2",
        program=edit,
        data__sample_inputs__model_DOT_pt=pickle.dumps(Bomb()),
        extra__notes=b"a private file",
    )
    clean_copy(bombed, tmp_path / "clean.pt2")
    with zipfile.ZipFile(tmp_path / "clean.pt2") as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        assert archive.read("model/data/sample_inputs/model.pt") == b""
        assert not any("extra" in name for name in archive.namelist())
    assert b"abort" not in everything

    import torch

    torch.export.load(tmp_path / "clean.pt2").module(check_guards=False)


def _target(text: str) -> Change:
    return lambda value: node(value).update(target=text)


def _argument(kind: str, content: Any) -> Change:
    return lambda value: node(value)["inputs"][0].update(arg={kind: content})


def _name(text: str) -> Change:
    return lambda value: node(value)["outputs"][0]["as_tensor"].update(name=text)


def _signature(field: str, text: Any) -> Change:
    return lambda value: value["graph_module"]["module_call_graph"][0]["signature"].update({field: text})


def _shape(text: str) -> Change:
    return lambda value: value["graph_module"]["graph"]["tensor_values"]["x"]["sizes"].__setitem__(
        0, {"as_expr": {"expr_str": text, "hint": None}}
    )


DEFAULTDICT = json.dumps(
    [1, {"type": "collections.defaultdict", "context": '{"default_factory_module": "os"}', "children_spec": []}]
)
ENUM = json.dumps([1, {"type": "builtins.dict", "context": '[{"__enum__": true, "fqn": "os:x"}]', "children_spec": []}])


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_target("torch.os.system"), "calls 'torch.os.system', which is no operator"),
        (_target("torch.hub.load"), "which is no operator"),
        (_target("torch.ops.aten.__class__"), "not part of PyTorch"),
        (_target("torch.ops.load_library"), "not part of PyTorch"),
        (_target("_operator.methodcaller"), "which is no operator"),
        (_target("math.__loader__.load_module"), "which is no operator"),
        (_target("#triton.kernel"), "which is no operator"),
        (_target("torch.ops.aten.from_file.default"), "reads or writes files"),
        (_argument("as_operator", "torch.os.abort"), "which is no operator"),
        (_argument("as_custom_obj", {"name": "x", "class_fqn": "os"}), "custom object"),
        (_argument("as_string", 'a"; abort(); //'), "characters that code gives a meaning"),
        (_argument("as_strings", ["a\nb"]), "characters that code gives a meaning"),
        (_argument("as_device", {"type": "cpu'); abort(", "index": None}), "as its type"),
        (_name("x = 1; import os"), "no identifier"),
        (_name("x.y"), "no identifier"),
        (_signature("forward_arg_names", ["x=__import__('os')"]), "no identifier"),
        (_signature("in_spec", DEFAULTDICT), "a collections.defaultdict"),
        (_signature("out_spec", ENUM), "a builtins.dict"),
        (_signature("in_spec", "[1, {}"), "tree specification"),
        (_shape("__import__('os').abort()"), "not plain arithmetic"),
    ],
)
def test_what_would_run_code_is_refused(program: Path, tmp_path: Path, edit: Change, said: str) -> None:
    error = refusal(changed(program, tmp_path / "bad.pt2", program=edit), tmp_path)
    assert isinstance(error, RefusedArtifact | MissingOperator)
    assert said in error.message


def _config(**changes: Any) -> bytes:
    entry = {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": None} | changes
    return json.dumps({"config": {"w": entry}}).encode()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data__weights__model_weights_config_DOT_json": _config(use_pickle=True)}, "'w' as a pickle"),
        ({"data__weights__model_weights_config_DOT_json": _config(path_name="../../x")}, "'w' as a pickle"),
        ({"data__constants__model_constants_config_DOT_json": _config(path_name="custom_obj_0")}, "'w' as a pickle"),
        ({"data__constants__model_constants_config_DOT_json": _config(path_name="opaque_obj_0")}, "'w' as a pickle"),
        ({"data__weights__model_weights_config_DOT_json": None}, "its weights as a pickle"),
        ({"data__constants__model_constants_config_DOT_json": None}, "its constants as a pickle"),
        ({"data__aotinductor__model__x_DOT_so": b"\x7fELF"}, "native code"),
    ],
)
def test_pickled_tensors_and_native_code_are_refused(
    program: Path, tmp_path: Path, files: dict[str, bytes | None], said: str
) -> None:
    error = refusal(changed(program, tmp_path / "bad.pt2", **files), tmp_path)
    assert isinstance(error, RefusedArtifact)
    assert said in error.message


def test_checkpoints_and_old_archives_are_refused_by_name(tmp_path: Path) -> None:
    import torch

    torch.save({"w": torch.zeros(2)}, tmp_path / "checkpoint.pt")
    assert "torch.save or torch.jit.save" in refusal(tmp_path / "checkpoint.pt", tmp_path).message
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("version", "1.0")
        archive.writestr("serialized_exported_program.json", "{}")
    assert "export it again" in refusal(tmp_path / "old.pt2", tmp_path).message


def test_damage_is_a_failure_to_compile(program: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    (tmp_path / "packed.pt2").write_bytes(stream.getvalue())
    for path, said in (
        (tmp_path / "packed.pt2", "compressed"),
        (changed(program, tmp_path / "a.pt2", models__model_DOT_json=b"{"), "damaged"),
        (changed(program, tmp_path / "b.pt2", models__model_DOT_json=None), "damaged"),
        (changed(program, tmp_path / "c.pt2", data__weights__weight_0=None), "damaged"),
    ):
        error = refusal(path, tmp_path)
        assert isinstance(error, LoadFailed)
        assert said in error.message


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s40', positive=True, integer=True)",
        "Add(Symbol('s0', integer=True), Integer(-1))",
        "Mul(Integer(2), Pow(Symbol('s0'), Rational(1, 2)))",
        "FloorDiv(Symbol('s0'), Integer(2))",
        "Float('0.5', precision=53)",
        "2*s0 + Max(1, u3)",
        "Eq(Mod(s0, 2), 0)",
    ],
)
def test_arithmetic_is_let_through(text: str) -> None:
    check_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "Symbol('s0').__class__",
        "Symbol(Symbol('s0'))('os')",
        "Integer('__import__(1)')",
        'Symbol("s0\'+x")',
        "Add(*[1])",
        "Add(**{})",
        "[c for c in ()]",
        "lambda: 0",
        "os",
        "s0 if s1 else s2",
        "f'{s0}'",
        "(x := 1)",
        "Symbol('s0', commutative=os)",
        "1" * 30_000,
        "",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    with pytest.raises(RefusedArtifact):
        check_expression(text)


def test_nested_tensors_are_let_through() -> None:
    leaf = {"type": None, "context": None, "children_spec": []}
    inner = {"type": "builtins.dict", "context": '["a"]', "children_spec": [leaf]}
    check_tree(json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": [inner, leaf]}]))
