"""Numbers with their units, as people read them."""

from __future__ import annotations

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def format_number(value: float | None) -> str:
    """Three significant digits and more where they are whole, or "-"."""
    if value is None:
        return "-"
    size = abs(value)
    if not 0.1 <= size < 1e15:
        return f"{value:.3g}"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def format_amount(value: float | None, unit: str) -> str:
    """A value with its unit: "1.23 ms", "11.2 MiB", "4.56 mJ"."""
    if value is None:
        return "-"
    if unit == "bytes":
        return format_bytes(round(value))
    if unit == "1/s":
        return f"{format_number(value)}/s"
    if unit == "USD":
        return f"{format_number(value)} USD"
    if unit in ("ms", "s"):
        return _format_seconds(value / 1e3 if unit == "ms" else value)
    if not unit and float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if unit in ("J", "W", "g", "FLOP"):
        factor, prefix = next((pair for pair in _PREFIXES if abs(value) >= pair[0]), (1.0, ""))
        return f"{format_number(value / factor)} {prefix}{unit}"
    return f"{format_number(value)} {unit}".rstrip()


def format_bytes(size: int) -> str:
    """A size for people, in binary units."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{size:,} B" if unit == "B" else f"{amount:,.1f} {unit}"


def format_share(share: float) -> str:
    """A signed relative change: "-12.3 %"."""
    return f"{100 * share:+.3g} %"


def _format_seconds(seconds: float) -> str:
    """Milliseconds where a model is fast or slow; other units only where these would be hard to read."""
    size = abs(seconds)
    if size >= 10:
        return f"{format_number(seconds)} s"
    if size >= 1e-5 or size == 0:
        return f"{format_number(seconds * 1e3)} ms"
    return f"{format_number(seconds * 1e6)} µs" if size >= 1e-7 else f"{format_number(seconds * 1e9)} ns"
