"""Models in OpenVINO's own format as one file: a zip archive of model.xml and model.bin. Imports openvino."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openvino

FORMAT = "openvino_ir"
_XML, _WEIGHTS = "model.xml", "model.bin"
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same model has the same bytes


def write_ir(model: openvino.Model, target: Path) -> None:
    """Writes the archive; two files beside it are gone afterwards."""
    parts = {name: target.with_name(name) for name in (_XML, _WEIGHTS)}
    try:
        openvino.serialize(model, str(parts[_XML]), str(parts[_WEIGHTS]))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name, path in parts.items():
                archive.writestr(zipfile.ZipInfo(name, _NO_TIME), path.read_bytes())
    finally:
        for path in parts.values():
            path.unlink(missing_ok=True)


def read_ir(core: openvino.Core, path: Path) -> openvino.Model:
    """Reads what `write_ir` wrote."""
    with zipfile.ZipFile(path) as archive:
        return core.read_model(archive.read(_XML), archive.read(_WEIGHTS))
