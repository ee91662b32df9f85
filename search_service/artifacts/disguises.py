"""Recognises files that are often uploaded by mistake, to say what they are and what to do instead."""

from __future__ import annotations

from search_service.artifacts.base import Content

_ONNX_ADVICE = "export the model with torch.onnx.export or a converter"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes"),
    (b"\x1f\x8b", "is compressed with gzip; upload it uncompressed"),
    (b"BZh", "is compressed with bzip2; upload it uncompressed"),
    (b"\xfd7zXZ\x00", "is compressed with xz; upload it uncompressed"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; upload it uncompressed"),
    (b"\x7fELF", "is a program or shared library"),
    (b"GGUF", "is a GGUF file"),
    (b"\x93NUMPY", "is a NumPy array"),
)


def name_disguise(content: Content, format: str) -> str | None:
    """What the file is, if by its first bytes it is clearly something else than `format` ("onnx", "torch_export")."""
    head = content[:512]
    if not head:
        return "is empty"
    if head.startswith(b"PK"):
        return None if format == "torch_export" else f"is a zip archive, as torch.save writes; {_ONNX_ADVICE}"
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return f"is a pickle, which is never opened; {_advice(format)}"
    for magic, problem in _MAGIC:
        if head.startswith(magic):
            return problem
    if head[4:8] == b"TFL3":
        return "is a TensorFlow Lite file"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < len(content):
        return "is a safetensors file, which holds weights but no graph"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer; fetch the file itself with git lfs pull"
    if _is_text(head):
        return f"is a text file that begins with {head[:40].decode(errors='replace')!r}"
    return None


def _advice(format: str) -> str:
    return "save the program with torch.export.save" if format == "torch_export" else _ONNX_ADVICE


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\r\n\t\ufeff" for character in text)
