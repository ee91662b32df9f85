"""The report page: it holds everything, asks for nothing, and lets no name become markup."""

from __future__ import annotations

import builtins
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from benchmarks.made_up_profiles import HOSTS, MODELS, make_profile
from msearch_analysis.analyses import find_analyses
from msearch_analysis.charts import Axis, Bar, Bars
from msearch_analysis.drawing import draw_file, draw_inline
from msearch_analysis.drawing.theme import SERIES, VARIABLES, colour_of, dash_of, marker_of
from msearch_analysis.errors import AnalysisError
from msearch_analysis.page import make_page
from msearch_client import Profile
from msearch_client._analyses import make_study

EVIL = (
    "</title></svg><script>alert(1)</script><img src=http://example.org/x onerror=alert(2)>\"' & $\\frac{1}{2}$ "
    "\x00\x1b\n{{7*7}}"
)
VOID = {"meta", "br", "img", "input", "hr", "link"}
OPTIONAL = {"td", "th", "tr", "thead", "tbody", "li", "p"}


class Page(HTMLParser):
    """What is in a page, and that its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.unclosed: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.unclosed and self.unclosed[-1] != tag:
            assert self.unclosed[-1] in OPTIONAL, f"<{self.unclosed[-1]}> is not closed before </{tag}>"
            self.unclosed.pop()
        assert self.unclosed, f"</{tag}> closes nothing"
        self.unclosed.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str, tag: str = "") -> list[str]:
        """Values of an attribute, of one kind of element or of all."""
        return [value for kind, key, value in self.attributes if key == name and tag in ("", kind)]


def some_profiles() -> list[Profile]:
    found = [make_profile(model, form, load, host)
             for host in HOSTS for model in MODELS[:2] for form in ("onnxruntime fp32", "openvino int8_static")
             for load in ("single_stream", "server:100", "server:300")]  # fmt: skip
    return [*found, make_profile(MODELS[2], "torch fp32", "server:100", broken=("disturbed",))]


@pytest.fixture(scope="module")
def text() -> str:
    return make_page(make_study(some_profiles()))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_analysis_has_its_section_and_its_place_in_the_navigation(page: Page) -> None:
    ids = set(page.values("id", "section"))
    assert ids == {*find_analyses(), "the-hosts"}
    links = page.values("href", "a")
    assert {f"#{name}" for name in ids} <= set(links)
    assert all(link.startswith("#") and link[1:] in page.values("id") for link in links)


def test_it_asks_for_nothing_and_runs_nothing(page: Page, text: str) -> None:
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & set(page.tags)
    assert page.values("src") == []
    assert all(value.startswith("#") for value in page.values("href") + page.values("xlink:href"))
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "default-src 'none'" in page.values("content", "meta")[-1]
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_its_elements_are_closed_and_its_ids_are_unique(page: Page) -> None:
    assert [tag for tag in page.unclosed if tag not in OPTIONAL] == []
    repeated = [name for name, count in Counter(page.values("id")).items() if count > 1]
    assert repeated == []


def test_those_who_do_not_see_pictures_have_their_words_and_tables(page: Page) -> None:
    assert page.values("lang", "html") == ["en"]
    pictures = page.tags.count("svg")
    assert pictures == page.values("role").count("img") > 10
    assert all(len(value) > 20 for value in page.values("aria-label", "div") if not value.startswith("Table"))
    assert page.values("aria-hidden", "svg") == ["true"] * pictures
    assert page.tags.count("caption") == page.tags.count("table") - page.values("class", "table").count("facts")
    assert set(page.values("scope")) == {"col", "row"}


def test_it_serves_light_and_dark_screens_and_phones(page: Page, text: str) -> None:
    assert "width=device-width, initial-scale=1" in page.values("content", "meta")
    assert "prefers-color-scheme: dark" in text
    inside = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert inside.count("var(--series-0)") > 10
    assert not any(colour in inside for colour in VARIABLES)
    assert all(f"--{variable}:" in text for variable in VARIABLES.values())


def test_it_tells_verdicts_hosts_and_versions(page: Page) -> None:
    said = " ".join(" ".join(page.texts).split())
    assert "25 profiles of 3 models" in said
    assert "1 INVALID" in said
    assert "disturbed" in said
    for host in HOSTS:
        assert host.name in said
        assert host.cpu in said
    assert "GFLOP/s" in said
    assert "1.23.0" in said


def test_the_same_profiles_give_the_same_page(text: str) -> None:
    assert make_page(make_study(some_profiles())) == text


def test_no_name_becomes_markup() -> None:
    odd = replace(
        make_profile(MODELS[0], "onnxruntime fp32", "server:100"),
        model_name=EVIL, host_class=EVIL, offer_reason=EVIL, load_text=EVIL, versions={EVIL: EVIL},
        host_json='{"cpu": {"model": "</pre><script>x</script>", "isa": ["<b>"]}, "python": "<i>"}',
    )  # fmt: skip
    plain = make_profile(MODELS[1], "onnxruntime fp32", "server:100")
    broken = replace(make_profile(MODELS[2], "torch fp32", "server:300", broken=(EVIL,)), model_name=EVIL)
    text = make_page(make_study([odd, plain, broken]), title=EVIL)
    page = Page(text)
    assert not {"script", "img", "b", "i"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert "<script" not in text
    assert "{{7*7}}" in text


@pytest.mark.parametrize("label", [EVIL, "$x^2$", "a\x07b", "名前 <&>", "x" * 500])
def test_pictures_take_any_label(label: str) -> None:
    chart = Bars(label, Axis(label, label), (Bar(label, 1.0, note=label),))
    drawn = draw_inline(chart, label).replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    root = ET.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg", "g", "path", "text", "defs", "style", "clipPath", "rect", "use", "tspan",
    }  # fmt: skip
    assert draw_file(label, (chart,), "png").startswith(b"\x89PNG")


def test_pictures_do_not_change_from_one_time_to_the_next() -> None:
    chart = Bars("latency", Axis("p99 latency", "ms"), (Bar("one", 1.0, 0.9, 1.2), Bar("two", 2.0, valid=False)))
    assert draw_file("x", (chart, chart), "svg") == draw_file("x", (chart, chart), "svg")
    assert SERIES[0].encode() in draw_file("x", (chart,), "svg")


def test_without_jinja2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: object, **more: object) -> object:
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(AnalysisError, match="needs jinja2") as caught:
        make_page(make_study([]))
    assert "pip install" in caught.value.hint


def test_lines_that_share_a_colour_differ_in_marker_and_dash() -> None:
    looks = [(colour_of(number), marker_of(number), str(dash_of(number))) for number in range(24)]
    assert len({(colour, marker) for colour, marker, _ in looks}) == 24
    assert len({(colour, dash) for colour, _, dash in looks}) == 24
