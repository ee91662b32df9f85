"""Reads files straight from the archives, without importing or unpacking a package."""

from __future__ import annotations

import csv
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy_format

# Where numpy keeps it has a private name, but an array says it when asked how to pickle it.
_reconstruct = np.empty(0).__reduce__()[0]

# All that the pickle of a numpy array of arrays and strings needs; a hostile file can name nothing else.
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class ArchiveError(Exception):
    """A file of an archive is missing or is not what it should be."""


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of one member of a wheel or a tar archive.

    Raises:
        ArchiveError: there is no such member.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as tar:
            stream = tar.extractfile(member)
            if stream is None:
                raise KeyError(member)
            return stream.read()
    except KeyError:
        raise ArchiveError(f"{archive.name} holds no file {member}") from None


def read_members(archive: Path, prefix: str) -> dict[str, bytes]:
    """All files whose path starts with `prefix`, by path, in the order of the paths."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in sorted(wheel.namelist()) if name.startswith(prefix)}
    return members_of_tar(archive.read_bytes(), prefix)


def members_of_tar(data: bytes, prefix: str = "") -> dict[str, bytes]:
    """All files of a tar archive, compressed or not, whose path starts with `prefix`, in the order of the paths."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            if entry.isfile() and entry.name.startswith(prefix) and (stream := tar.extractfile(entry)) is not None:
                found[entry.name] = stream.read()
    return dict(sorted(found.items()))


def read_csv(data: bytes, encoding: str = "utf-8") -> list[dict[str, str]]:
    """Rows of a CSV file with a header."""
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline="")))


class _NumpyOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (found := _ALLOWED.get((module, name))) is None:
            raise ArchiveError(f"the file asks for {module}.{name}, which no array needs: not read")
        return found


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, as which Python 2 protocols store bytes; no codec but this one."""
    if encoding != "latin1":
        raise ArchiveError(f"the file asks for the codec {encoding!r}: not read")
    return text.encode("latin1")


def load_object_array(data: bytes) -> Any:
    """The single object in a pickled .npy file, by an unpickler that can only build numpy arrays.

    Raises:
        ArchiveError: the file is no .npy file of one object, or asks for anything but numpy arrays.
    """
    stream = io.BytesIO(data)
    try:
        if npy_format.read_magic(stream) != (1, 0):
            raise ArchiveError("the .npy file has an unexpected version")
        shape, _, dtype = npy_format.read_array_header_1_0(stream)
        if shape != () or not dtype.hasobject:
            raise ArchiveError("the .npy file does not hold a single object")
        return _NumpyOnly(stream).load().item()
    except (ValueError, EOFError, pickle.UnpicklingError, AttributeError) as error:
        raise ArchiveError(f"the .npy file is damaged: {error}") from None


def load_weights(data: bytes) -> dict[str, torch.Tensor]:
    """A torch state dict, read with weights_only."""
    weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return {name: tensor.detach() for name, tensor in weights.items()}
