"""The table of manifests against the generated schema and its CEL rules, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.manifests import ACCEPTED, REFUSED
from opssight_operator.api.durations import DURATION_PATTERN, duration, seconds, seconds_in_cel
from opssight_operator.api.kinds import KINDS, kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.api.validation import Rule, fits, spoken
from opssight_operator.cli.admission import complaints, evaluate

SCHEMAS = {kind.name: root_schema(kind) for kind in KINDS}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_a_good_manifest_is_taken(sentence):
    manifest = ACCEPTED[sentence]
    assert complaints(manifest, SCHEMAS[manifest["kind"]]) == []


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_bad_manifest_is_refused_with_one_sentence_that_says_why(sentence):
    case = REFUSED[sentence]
    said = complaints(case.manifest, SCHEMAS[case.manifest["kind"]])
    assert len(said) == 1, said
    for fragment in case.says:
        assert fragment in said[0]


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_the_models_read_what_the_server_takes_and_write_it_back_unchanged(sentence):
    manifest = ACCEPTED[sentence]
    spec = kind_of(manifest["kind"]).spec
    parsed = spec.model_validate(manifest["spec"])
    assert spec.model_validate(parsed.dump()) == parsed


@given(st.integers(0, 10**12))
def test_cel_counts_the_seconds_of_a_duration_as_we_do(milliseconds):
    text = duration(milliseconds / 1000)
    assert evaluate(seconds_in_cel("self"), text) == int(seconds(text) + 1e-9)


@given(st.tuples(*(st.one_of(st.just(""), st.integers(0, 999).map(f"{{}}{unit}".format)) for unit in "wdhms")))
def test_weeks_and_days_count_in_cel_too(parts):
    text = "".join(parts)
    assert fits(DURATION_PATTERN, text)
    if text:
        assert evaluate(seconds_in_cel("self"), text) == seconds(text)


def test_a_sentence_becomes_an_expression_that_shows_values():
    expression = spoken('min is {{self.min}} and "max" is {{self.max}}')
    assert evaluate(expression, {"min": "2", "max": "1"}) == 'min is 2 and "max" is 1'


def test_a_rule_without_values_has_a_fixed_message():
    assert Rule("true", "never", field=".a").entry() == {"rule": "true", "message": "never", "fieldPath": ".a"}
