"""A report reads well as Markdown and HTML, whatever its texts contain, and fits into ConfigMaps."""

from __future__ import annotations

import re
from datetime import UTC
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.patterns.findings import BarPlot, GridPlot, TimelinePlot, TimelineRow, TrendPlot
from opssight_detectors.patterns.incidents import concatenate, no_incidents
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import Report, analyse
from opssight_detectors.patterns.tables import incidents_from_records
from opssight_operator.core.report.chunks import CHUNK_BYTES, join, split
from opssight_operator.core.report.render_html import render_html
from opssight_operator.core.report.render_markdown import escaped, render_markdown
from opssight_operator.core.report.svg import draw, nice_ticks
from opssight_operator.core.report.view import chance, shown_findings
from oracles import patterns_worlds as worlds

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = '<script>alert(1)</script> | `x` **b** [a](http://e) "q" & \n# h'


class _Page(HTMLParser):
    """Collects the tags and the text, and fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _report(*patterns, texts: str = "") -> Report:
    rng = np.random.default_rng(1)
    rows = [row for pattern in patterns for row in pattern(rng)]
    for row in rows:
        if texts:
            row |= {"name": f"{row['name']} {texts}", "message": texts, "service": texts}
    world = concatenate([worlds.chance_world(rng, per_day=6.0), incidents_from_records(rows, now=worlds.WINDOW.end)])
    before = to_plain(analyse(worlds.plant(worlds.a_noisy_alert, 1), worlds.WINDOW).report)
    since = worlds.WINDOW.end - 28 * worlds.DAY
    return analyse(world, worlds.WINDOW, title=f"Report {texts}", history_start=since, previous=before).report


@pytest.fixture(scope="module")
def report() -> Report:
    return _report(
        worlds.outage_at_two, worlds.a_flapping_link, worlds.two_that_fire_together, worlds.a_daily_job,
        worlds.a_worsening_day,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hostile() -> Report:
    return _report(worlds.outage_at_two, worlds.a_flapping_link, worlds.two_that_fire_together, texts=HOSTILE)


def test_the_page_tells_every_highlight_and_every_finding(report: Report) -> None:
    text = " ".join(_Page(render_html(report, UTC)).text.split())
    sentences = [f.sentence for section in report.sections for f in section.findings]
    assert len(sentences) > 10
    for sentence in [*report.highlights, *sentences]:
        assert " ".join(sentence.split()) in text


def test_the_markdown_tells_every_highlight_and_every_finding(report: Report) -> None:
    text = render_markdown(report)
    for sentence in [*report.highlights, *(f.sentence for section in report.sections for f in section.findings)]:
        assert escaped(sentence) in text


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(report: Report) -> None:
    page = _Page(render_html(report, UTC))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if {"src", "href", "style", "onclick", "onload"} & set(attrs)]
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in page.tags


def test_the_page_has_colours_for_light_for_dark_and_for_paper(report: Report) -> None:
    style = re.search(r"<style>(.*?)</style>", render_html(report, UTC), re.S)
    assert style is not None
    light, dark, paper = (set(re.findall(r"(--\w+):", part)) for part in re.split(r"@media", style[1])[:3])
    assert dark == light
    assert paper >= light - {"--link"}
    used = set(re.findall(r"var\((--\w+)\)", style[1]))
    assert used <= light


def test_texts_from_outside_are_shown_and_never_obeyed_by_a_browser(hostile: Report) -> None:
    html = render_html(hostile, UTC)
    assert "<script" not in html
    assert "<script>alert(1)</script>" in _Page(html).text


def test_texts_from_outside_are_shown_and_never_obeyed_by_markdown(hostile: Report) -> None:
    markdown = re.sub(r"(?m)^(`{3,})yaml\n.*?^\1$", "", render_markdown(hostile), flags=re.S)
    assert not re.search(r"(?<!\\)<script", markdown)
    assert "\n# h" not in markdown
    assert not re.search(r"(?<!\\)\[a(?<!\\)\]\(", markdown)
    for line in markdown.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)
            assert len(cells) in (8, 9, 7, 6, 5)


def test_a_table_has_as_many_cells_in_each_row_as_in_its_header(hostile: Report) -> None:
    for section in hostile.sections:
        for finding in section.findings:
            if finding.table is not None:
                assert {len(row) for row in finding.table.rows} == {len(finding.table.header)}


def test_an_empty_report_says_what_was_looked_at() -> None:
    empty = analyse(no_incidents(), worlds.WINDOW).report
    for text in (_Page(render_html(empty, UTC)).text, render_markdown(empty)):
        assert "Nothing to tell" in text
        assert text.count("at least") >= 2
        assert "Highlights" not in text


def test_a_chart_is_drawn_once_with_all_of_its_news(report: Report) -> None:
    (hours,) = (section for section in report.sections if section.name == "HourOfDay")
    drawn = [s.plot for s in shown_findings(hours) if s.plot and s.plot.title.startswith("Incidents by hour")]
    assert len(drawn) == 1
    assert set(drawn[0].highlighted) == {int(f.subject[:2]) for f in hours.findings if f.kind == "Hour"}


PLOTS = {
    "upright bars": BarPlot("t", ("00", "01"), (3.0, 0.0), (1.0, 1.0), (0,), "incidents"),
    "long labels": BarPlot("t", ("a" * 80, HOSTILE), (3.0, 12.0), (), (1,), "incidents"),
    "bars of nothing": BarPlot("t", ("00", "01"), (0.0, 0.0), (0.0, 0.0), (), "incidents"),
    "long bars of nothing": BarPlot("t", ("long label",), (0.0,), (), (), "incidents"),
    "a trend": TrendPlot("t", 0.0, 100.0, (10.0, 90.0), (1.0, 4.0), -1.0, 9.0, "severity"),
    "a timeline": TimelinePlot("t", 0.0, 100.0, (TimelineRow("a", (0.0, 100.0), (50.0, 100.0)),)),
    "a grid": GridPlot("t", ("Mon", "Tue"), ("00", "01", "02"), ((0.0, 1.0, 2.0), (0.0, 0.0, 0.0)), (), "incidents"),
    "a grid of nothing": GridPlot("t", ("Mon",), ("00",), ((0.0,),), (), "incidents"),
}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS.keys())
def test_a_plot_is_well_formed_and_stays_inside_its_frame(plot) -> None:
    root = ElementTree.fromstring(str(draw(plot, UTC)))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        x, y = float(element.get("x", element.get("x1", 0))), float(element.get("y", element.get("y1", 0)))
        assert -5.0 <= x <= width
        assert -5.0 <= y <= height
        if element.tag == "rect":
            assert x + float(element.attrib["width"]) <= width
            assert y + float(element.attrib["height"]) <= height


def test_bars_are_as_long_as_their_values() -> None:
    plot = BarPlot("t", ("long label a", "long label b"), (10.0, 5.0), (), (), "incidents")
    long, short = (float(bar.attrib["width"]) for bar in ElementTree.fromstring(str(draw(plot, UTC))).iter("rect"))
    assert long == pytest.approx(2 * short, abs=0.2)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.001, 1e9))
def test_ticks_reach_the_largest_value_and_are_few(largest: float) -> None:
    ticks = nice_ticks(largest)
    assert ticks[0] == 0.0
    assert ticks[-1] >= largest * (1 - 1e-9)
    assert 2 <= len(ticks) <= 7


def test_a_p_value_is_told_without_an_exponent() -> None:
    assert [chance(p) for p in (1e-9, 0.00001, 0.000304, 0.004, 0.05)] == [
        "< 0.000001", "0.00001", "0.000304", "0.004", "0.05",
    ]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="aé漢😀\n", max_size=120), st.integers(4, 40))
def test_chunks_are_short_valid_and_join_to_the_whole(text: str, limit: int) -> None:
    data = text.encode()
    pieces = split(data, limit)
    assert join(pieces) == data
    assert all(len(piece) <= limit for piece in pieces)
    assert "".join(piece.decode() for piece in pieces) == text
    assert len(pieces) <= 1 + 2 * len(data) // (limit - 3)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=100), st.integers(4, 20))
def test_bytes_that_are_no_text_are_chunked_too(data: bytes, limit: int) -> None:
    assert join(split(data, limit)) == data


def test_bytes_that_only_look_like_a_character_do_not_stop_the_chunks() -> None:
    assert join(split(b"\xf0\x80\x80\x80\x80\x80", 4)) == b"\xf0\x80\x80\x80\x80\x80"


def test_a_chunk_ends_at_a_line_end_where_there_is_one() -> None:
    assert split(b"one line\nanother line\n", 12) == (b"one line\n", b"another line", b"\n")


def test_a_chunk_fits_into_a_config_map_by_default() -> None:
    pieces = split(b"x" * 2_000_000)
    assert [len(piece) for piece in pieces] == [CHUNK_BYTES, CHUNK_BYTES, 2_000_000 - 2 * CHUNK_BYTES]
    assert CHUNK_BYTES <= 900 * 1024


def test_a_limit_below_one_character_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 bytes"):
        split(b"x", 3)
