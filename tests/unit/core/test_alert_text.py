"""What an alert's text may run in Prometheus, whose templates can query the series of everybody."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opssight_operator.api.base import ALERT_TEXT_PATTERN
from opssight_operator.api.validation import fits

SAFE = (
    "",
    "plain text, 100 % {braces}, {",
    "{{ $labels.service }} at {{ $value }}",
    "{{$labels.a_b|humanize}}",
    "{{- $value | humanize1024 | toUpper -}}",
    "several\nlines with {{ $value | humanizeDuration }}\nin them",
    "a closing }} alone",
)
RUNS = {
    "a query": '{{ query "up" }}',
    "a query in a pipe": '{{ "up" | query }}',
    "a query behind a value": "{{ $value | query }}",
    "a loop over a query": '{{ range query "up" }}{{ .Value }}{{ end }}',
    "a query in raw quotes": "{{ query `up` }}",
    "a query in brackets": '{{ (query "up" | first).Value }}',
    "a variable that holds one": '{{ $x := query "up" }}{{ $x }}',
    "another template": '{{ template "x" }}',
    "a definition": '{{ define "x" }}{{ query "up" }}{{ end }}',
    "all labels at once": "{{ $labels }}",
    "the labels of the server": "{{ $externalLabels.cluster }}",
    "an address of the server": "{{ externalURL }}",
    "a comment that hides its end": '{{/* }} */}}{{ query "up" }}',
    "three braces": '{{{ query "up" }}',
    "a brace in front": '{{{{ query "up" }}',
    "two lines": '{{\nquery "up" }}',
    "a tab": '{{\tquery "up" }}',
    "behind something harmless": '{{ $value }}{{ query "up" }}',
    "with trimmed space": '{{- query "up" -}}',
    "a label behind which more follows": '{{ $labels.x | printf "%s" | query }}',
    "an open brace": "{{ $value",
    "a format that prints a pointer": '{{ printf "%p" $value }}',
}


@pytest.mark.parametrize("text", SAFE)
def test_labels_and_the_value_may_be_shown(text: str) -> None:
    assert fits(ALERT_TEXT_PATTERN, text)


@pytest.mark.parametrize("text", RUNS.values(), ids=RUNS)
def test_nothing_else_is_run(text: str) -> None:
    assert not fits(ALERT_TEXT_PATTERN, text)


@given(st.text(alphabet='{}$ |"abquery\n-', max_size=60))
def test_whatever_passes_opens_a_template_for_labels_and_the_value_alone(text: str) -> None:
    if fits(ALERT_TEXT_PATTERN, text):
        opened = text.split("{{")[1:]
        assert all(part.lstrip("- ").startswith(("$labels.", "$value")) for part in opened)


def test_a_long_text_is_judged_at_once() -> None:
    """The pattern never tries two ways through the same text."""
    began = time.process_time()
    for text in ("{" * 1024, "{{ $value " * 100, "{{ $labels." + "a" * 900, "{a" * 512, "{{ $value | humanize" * 50):
        fits(ALERT_TEXT_PATTERN, text)
    assert time.process_time() - began < 0.5
