"""Reading from archives: no code of an archive ever runs."""

import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from examples.zoo.archive_files import (
    ArchiveError,
    load_object_array,
    load_weights,
    members_of_tar,
    read_member,
    read_members,
)


class Hostile:
    """Unpickling this with the standard unpickler writes a file."""

    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return (open, (str(self.victim), "w"))


def npy(value):
    array = np.empty((), object)
    array[()] = value
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def test_arrays_lists_and_strings_come_back():
    value = {"X": [np.arange(6.0).reshape(2, 3)], "names": ["a", "b"], "y": np.array([0, 1])}
    loaded = load_object_array(npy(value))
    assert loaded["names"] == value["names"]
    np.testing.assert_array_equal(loaded["X"][0], value["X"][0])
    np.testing.assert_array_equal(loaded["y"], value["y"])


def test_a_hostile_npy_is_refused_and_runs_nothing(tmp_path):
    victim = tmp_path / "victim"
    with pytest.raises(ArchiveError, match="no array needs"):
        load_object_array(npy({"X": Hostile(victim)}))
    assert not victim.exists()
    np.load(io.BytesIO(npy(Hostile(victim))), allow_pickle=True).item().close()
    assert victim.exists(), "the standard unpickler runs it: the test above proves something"


@pytest.mark.parametrize("call", ["os.system", "builtins.eval", "numpy.load", "numpy.core.multiarray.scalar"])
def test_every_other_name_is_refused(call):
    module, _, name = call.rpartition(".")
    header = npy(None)
    body = f"c{module}\n{name}\n.".encode()
    data = header[: header.index(b"\n") + 1] + body
    with pytest.raises(ArchiveError, match="no array needs"):
        load_object_array(data)


@pytest.mark.parametrize("data", [b"", b"no npy file", npy({"a": 1})[:-3], pickle.dumps({"a": 1})])
def test_damaged_files_are_refused(data):
    with pytest.raises(ArchiveError):
        load_object_array(data)


def test_plain_arrays_are_no_object_arrays():
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    with pytest.raises(ArchiveError, match="single object"):
        load_object_array(stream.getvalue())


def test_weights_of_anything_but_tensors_are_refused(tmp_path):
    stream = io.BytesIO()
    torch.save({"layer.weight": torch.ones(2)}, stream)
    assert torch.equal(load_weights(stream.getvalue())["layer.weight"], torch.ones(2))
    stream = io.BytesIO()
    torch.save({"layer.weight": Hostile(tmp_path / "victim")}, stream)
    with pytest.raises(pickle.UnpicklingError):
        load_weights(stream.getvalue())
    assert not (tmp_path / "victim").exists()


def test_members_are_read_from_wheels_and_tars(tmp_path):
    wheel, tar = tmp_path / "a-1-py3-none-any.whl", tmp_path / "a-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("data/b", "data/a", "other"):
            archive.writestr(name, name)
    with tarfile.open(tar, "w:gz") as archive:
        for name in ("data/b", "data/a", "other"):
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    for path in (wheel, tar):
        assert read_member(path, "other") == b"other"
        assert list(read_members(path, "data/").items()) == [("data/a", b"data/a"), ("data/b", b"data/b")]
        with pytest.raises(ArchiveError, match="holds no file missing"):
            read_member(path, "missing")
    assert list(members_of_tar(tar.read_bytes())) == ["data/a", "data/b", "other"]
