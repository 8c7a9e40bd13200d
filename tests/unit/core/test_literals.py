"""One number of somebody's PromQL changes, and nothing else does."""

import math

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus
from opssight_operator.core.literals import choose_literal, find_literals, prove, replace_literal
from opssight_operator.core.promql_tokens import TokenKind, readable_by_parser, tokens
from opssight_operator.errors import InvalidQuery, InvalidSpec, TargetNotFound

OWN_RULES = [
    'sum by (service) (rate(errors_total{code=~"5.."}[5m])) / sum by (service) (rate(requests_total[5m])) > 0.05',
    "histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket[5m]))) > 1.5 and on () vector(1)",
    "(node_filesystem_avail_bytes / node_filesystem_size_bytes * 100 < 5) and node_filesystem_readonly == 0",
    "predict_linear(node_filesystem_free_bytes[6h], 24 * 60 * 60) < 0",
    "  # the owner's words: 42 is too much\n  queue_length   >   4_000  # 5 really\n",
    "x > -5 or y > - 5 or z >= - -5 or w < -+5 or v < 10 * -3",
    "0.9 < job:success:ratio5m",
    "up offset 5m @ 1609746000 == 0",
    "max_over_time(deriv(x[5m:30s] offset -1h)[10m:]) > 1e3",
    "time() - last_success_timestamp_seconds > 5m",
    'label_replace(x{path=~`\\d+/"42"`}, "a", "$1", "b", "(.*)7") > 0x1F',
    "absent(up{job='a b > 3'}) > bool .5",
    "limits > Inf unless limits == NaN",
    "count_values without (inf0) ('v1', build_info) > 1",
    "topk(3, x) > (((2.50)))",
    '{"http.server.duration", le="0.5"} <= 12.',
    "1 - avg(rate(node_cpu_seconds_total[5m])) > 0.8 and node_load1 > 1 and node_load5 > 1",
]


LITERALS_OF_OURS = 34


def literals_of_tree(expression):
    """Values of all number literals, by walking the tree: what any literal finder must find."""
    values = []

    def visit(node):
        if isinstance(node, promql_parser.NumberLiteral):
            values.append(node.val)
        return True

    promql_parser.walk(promql_parser.parse(readable_by_parser(expression)), pre_visit=visit)
    return sorted(values, key=lambda value: (math.isnan(value), value))


def round_tripped(expressions, values=(0.125, 7e9, -3.0)):
    """How many literals were found, changed to each of the values and changed back."""
    changed = 0
    for expression in expressions:
        literals = find_literals(expression)
        found = sorted((literal.value for literal in literals), key=lambda value: (math.isnan(value), value))
        assert repr(found) == repr(literals_of_tree(expression)), expression
        for literal in literals:
            is_base_of_power = expression[literal.end :].lstrip().startswith("^")
            for value in (value for value in values if value > 0 or not is_base_of_power):
                after = replace_literal(expression, literal, value)
                assert after[: literal.start] == expression[: literal.start]
                assert after.endswith(expression[literal.end :])
                prove(expression, after, literal.value, value)
                again = find_literals(after)[literal.occurrence - 1]
                assert again.value == value
                if math.isfinite(literal.value):
                    back = replace_literal(after, again, literal.value)
                    prove(expression, back, literal.value, literal.value)
            changed += 1
    return changed


def test_every_literal_of_our_own_rules_is_found_and_round_trips():
    assert round_tripped(OWN_RULES) == LITERALS_OF_OURS


@pytest.mark.skipif(not corpus.manifests(), reason=f"{corpus.SETTING} names no folder with the rules of others")
def test_every_literal_of_the_corpus_is_found_and_round_trips():
    expressions = [str(rule["expr"]) for rule in corpus.rules()]
    assert round_tripped(expressions, values=(0.125,)) >= corpus.LITERALS_OF_KUBE_PROMETHEUS


@given(st.sampled_from(OWN_RULES), st.floats(allow_nan=False, allow_infinity=False), st.data())
@settings(max_examples=100, deadline=None)
def test_any_finite_number_can_take_the_place_of_any_literal(expression, value, data):
    literal = data.draw(st.sampled_from(find_literals(expression)))
    after = replace_literal(expression, literal, value)
    assert find_literals(after)[literal.occurrence - 1].value == value
    assert len(find_literals(after)) == len(find_literals(expression))


@given(st.text(alphabet="x1 5.m>-+[](){}\"'`#\\\n=~,^@eby:_", max_size=30))
@settings(max_examples=300, deadline=None)
def test_tokens_are_the_text_or_the_text_is_refused(text):
    try:
        assert "".join(token.text for token in tokens(text)) == text
    except InvalidQuery:
        assert text


CHANGES = {
    "a plain threshold": ("x > 0.05", 0.2, "x > 0.2"),
    "layout and comments stay": (
        "  # 42 is too much\n  queue   >   4_000  # 5 really\n",
        5000.5,
        "  # 42 is too much\n  queue   >   5000.5  # 5 really\n",
    ),
    "a minus sign goes with its number": ("x > -5", 3.0, "x > 3"),
    "a number becomes negative": ("x > 5", -0.5, "x > -0.5"),
    "a duration becomes seconds": ("time() - x > 5m", 600.0, "time() - x > 600"),
    "no exponent is written": ("x > 1", 1e-7, "x > 0.0000001"),
    "the literal may stand on the left": ("5 < x", 6.0, "6 < x"),
    "brackets around it stay": ("x > ((5))", 6.0, "x > ((6))"),
    "a plus between signs stays": ("x < -+5", 6.0, "x < -+-6"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_text_after_a_change(case):
    before, value, after = CHANGES[case]
    assert replace_literal(before, choose_literal(before), value) == after


CHOICES = {
    "the one comparison": ("histogram_quantile(0.99, rate(x[5m])) > 2", {}, 2.0),
    "tests for equality are no thresholds": ("x > 3 and y == 0", {}, 3.0),
    "the bound tells two sides apart": ("x > 3 and y < 2", {"bound": "Lower"}, 2.0),
    "a literal on the left is read from the right": ("3 > y and x > 2", {"bound": "Lower"}, 3.0),
    "the metric tells two comparisons apart": ("x > 3 and rate(y[5m]) > 2", {"metric": "y"}, 2.0),
    "a metric by its name matcher": ('{__name__="y"} > 2 or x > 3', {"metric": "y"}, 2.0),
    "the occurrence decides": ("x * 100 > 3 and y > 2", {"occurrence": 1}, 100.0),
}


@pytest.mark.parametrize("case", CHOICES)
def test_which_literal_is_the_threshold(case):
    expression, by, value = CHOICES[case]
    assert choose_literal(expression, **by).value == value


def test_an_ambiguous_target_lists_its_candidates():
    expression = "(1 - a / b) > 0.8 and node_load1 > 4 and node_load5 > 3 and c == 0"
    with pytest.raises(InvalidSpec) as refused:
        choose_literal(expression)
    message = str(refused.value)
    assert message.startswith("3 numbers could be the threshold: set occurrence or metric")
    for part in (
        "occurrence 2: (1 - a / b) > 0.8 (a, b)",
        "occurrence 3:",
        "node_load1 > 4 (node_load1)",
        "occurrence 4:",
    ):
        assert part in message
    assert "== 0" not in message


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ({}, "no number is compared as a threshold; occurrence 1: "),
        ({"bound": "Upper", "metric": "y"}, "no number is compared as a threshold of bound Upper for y"),
        ({"occurrence": 3}, "there is no number 3"),
    ],
)
def test_a_target_that_is_not_there_is_said_so_with_what_is_there(by, sentence):
    with pytest.raises(TargetNotFound, match=sentence):
        choose_literal("x == 0 and on () vector(1)", **by)


def test_an_expression_without_numbers_says_so():
    with pytest.raises(TargetNotFound, match="holds no number"):
        choose_literal("absent(up)")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_never_written(value):
    with pytest.raises(InvalidSpec, match="finite"):
        replace_literal("x > 1", choose_literal("x > 1"), value)


def test_a_literal_of_another_text_is_refused():
    with pytest.raises(InvalidSpec, match="not at its place"):
        replace_literal("yyyy > 1", choose_literal("x > 1"), 2.0)


def test_an_expression_that_does_not_parse_is_refused():
    for broken in ("x >", 'x{a="} > 1', "rate(x) > 1"):
        with pytest.raises(InvalidQuery):
            find_literals(broken)


def test_a_change_that_would_bind_differently_is_refused():
    # a minus sign binds weaker than the power, so the tree of -2^3 has no literal -2
    literal = find_literals("x > 5^3")[0]
    with pytest.raises(InvalidQuery, match="more than this number would change"):
        replace_literal("x > 5^3", literal, -2.0)


NO_PROOF = {
    "another number changed": ("x > 1 and y > 2", "x > 1 and y > 3"),
    "two numbers changed": ("x > 1 and y > 1", "x > 3 and y > 3"),
    "a window changed": ("rate(x[1m]) > 1", "rate(x[3m]) > 1"),
    "an offset changed": ("x offset 1m > 1", "x offset 3m > 1"),
    "a label changed": ('x{a="1"} > 1', 'x{a="3"} > 1'),
    "the operator changed too": ("x > 1", "x >= 3"),
    "it is not the value that was meant": ("x > 1", "x > 4"),
    "nothing changed": ("x > 1", "x > 1"),
    "it does not parse any more": ("x > 1", "x > 3 >"),
}


@pytest.mark.parametrize("case", NO_PROOF)
def test_the_proof_fails_when(case):
    before, after = NO_PROOF[case]
    with pytest.raises(InvalidQuery, match="differ in more than one number"):
        prove(before, after, 1.0, 3.0)


def test_a_label_value_cannot_imitate_a_literal_of_the_tree():
    before = 'x{a="NumberLiteral {\n val: 1.0,\n"} > 5'.replace("\n", "\\n")
    assert [literal.value for literal in find_literals(before)] == [5.0]


def test_numbers_in_strings_and_comments_are_not_tokens():
    kinds = [t.text for t in tokens("x{a=\"1\", b='2', c=`3`} > 4 # 5") if t.kind is TokenKind.NUMBER]
    assert kinds == ["4"]
