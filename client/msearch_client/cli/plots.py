"""A profile as a picture: PNG or SVG, or one HTML page that needs nothing else. Needs the extra "plots"."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path
from typing import Any

from msearch_client import LocalError, Profile
from msearch_client._histograms import Histogram
from msearch_client.cli.figures import describe

SUFFIXES = (".png", ".svg", ".html")
BINS = 60
PERCENTS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "svg{max-width:100%;height:auto}table{border-collapse:collapse}th,td{padding:.2rem .8rem .2rem 0;text-align:left;"
    "border-bottom:1px solid #ddd}td.number{text-align:right;font-variant-numeric:tabular-nums}"
)


def write(profile: Profile, path: Path) -> None:
    """Draws the latency histogram and the percentiles of a profile into a file.

    Raises:
        LocalError: matplotlib or hdrhistogram is not installed, the profile carries no histogram, or the file cannot be
            written.
    """
    kind = path.suffix.lower()
    drawn = io.BytesIO()
    with _matplotlib().rc_context({"svg.hashsalt": profile.id, "svg.fonttype": "none"}):
        figure = _figure(profile)
        # Without the date, and with the salt, the same profile gives the same bytes.
        svg: dict[str, Any] = {"format": "svg", "metadata": {"Date": None}}
        figure.savefig(drawn, **({"format": "png", "dpi": 150} if kind == ".png" else svg))
    data = drawn.getvalue() if kind != ".html" else _page(profile, drawn.getvalue().decode("utf-8")).encode("utf-8")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror or error}") from None


def _matplotlib() -> Any:
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise LocalError("drawing needs matplotlib", hint="run `pip install 'msearch[plots]'`") from None
    return mpl


def _figure(profile: Profile) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415 - see above

    histogram = Histogram.decode(profile.histogram)
    if not histogram.buckets:
        raise LocalError(f"the histogram of {profile.id} holds no request, so there is nothing to draw")
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_counts(left, profile, histogram)
    _draw_percentiles(right, histogram)
    name = profile.model_name or "no model"
    figure.suptitle(_plain(f"{name}, {profile.variant}, {profile.load_text} ({profile.verdict})"), fontsize=11)
    return figure


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def _draw_counts(axes: Any, profile: Profile, histogram: Histogram) -> None:
    middles = [bucket.middle for bucket in histogram.buckets]
    axes.hist(middles, bins=BINS, weights=[bucket.count for bucket in histogram.buckets], color="#4477aa")
    axes.set(xlabel="response latency, ms", ylabel="requests", yscale="log")
    for name, shade in (("p50", "#228833"), ("p99", "#cc3311")):
        value = profile.value(f"{name}_ms")
        if value is not None:
            axes.axvline(value, color=shade, linestyle="--", label=f"{name} {value:.3g} ms")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _draw_percentiles(axes: Any, histogram: Histogram) -> None:
    """Latency over percentiles, each further nine as wide as the last."""
    total = histogram.count
    places, values, seen = [], [], 0
    for bucket in histogram.buckets:
        share = min(seen / total, 1 - 1 / (2 * total))
        places += [1 / (1 - share)]
        values += [bucket.middle]
        seen += bucket.count
    axes.plot([*places, 2 * total], [*values, values[-1]], drawstyle="steps-post", color="#4477aa")
    shown = [percent for percent in PERCENTS if 100 / (100 - percent) <= 2 * total]
    axes.set(xlabel="percentile", ylabel="response latency, ms", xscale="log")
    axes.set_xticks([100 / (100 - percent) for percent in shown], [f"{percent:g}" for percent in shown])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)


def _page(profile: Profile, picture: str) -> str:
    """One HTML page with the picture inside and every measured quantity in a table."""
    title = escape(f"{profile.model_name or 'no model'}: {profile.variant}, {profile.load_text}")
    rows = "\n".join(
        f'<tr><td>{escape(item.name)}</td><td class="number">{escape(describe(item))}</td></tr>'
        for item in profile.measurements
    )
    facts = {
        "verdict": profile.verdict.value,
        "reasons": "; ".join(f"{reason.rule}: {reason.detail}" for reason in profile.reasons),
        "offer": f"{profile.offer}: {profile.offer_reason}",
        "host class": profile.host_class,
        "measured": "" if profile.created_at is None else profile.created_at.isoformat(timespec="seconds"),
        "profile": profile.id,
    }
    told = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items() if value
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n<table>\n{told}\n</table>\n"
        f"{picture[picture.index('<svg') :]}\n<table>\n{rows}\n</table>\n</body></html>\n"
    )
