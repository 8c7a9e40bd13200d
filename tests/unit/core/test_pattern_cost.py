"""Patterns that are made to be costly: refused before they are compiled, and what is compiled costs little."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from opssight_operator.core.pattern_cost import EACH, MAX_COST, pattern_cost
from opssight_operator.core.promql import check
from opssight_operator.core.tenancy import enforce
from opssight_operator.errors import InvalidQuery, NotAllowed


def matching(*patterns: str) -> str:
    """A selector with a matcher for each pattern; a raw string, so that a pattern stands as it is."""
    return "x{" + ",".join(f"a=~`{pattern}`" for pattern in patterns) + "}"


CODEPOINTS = r"[\x{0}-\x{10FFFF}]"
COSTLY = {
    "a repetition of a repetition": matching("(a{1000}){1000}"),
    "three of them": matching("(((.{100}){100}){100})"),
    "repetitions that follow each other": matching(r".{30}{30}{30}"),
    "a repetition without an end": matching(r"((\w{10,}){10,}){10,}"),
    "letters of all scripts": matching(r"\pL{1000}"),
    "one of them written out": matching(r"\w" * 1000),
    "all but them": matching(r"[^\w\d]{200}"),
    "a group that names itself": matching(r"(?P<all>(?:.{90})*){90}"),
    "two hundred matchers that pass alone": matching(*["(.{60}){60}"] * 200),
    "ranges that are looked up letter by letter": matching(f"(?i){CODEPOINTS * 200}"),
    "classes in classes, looked up letter by letter": matching("(?i)" + "[a[^b]]" * 500),
    "a negated matcher": "x{a!~`(.{100}){100}`}",
    "a quoted string with escapes": 'x{a=~"(\\\\pL{100}){9}"}',
    "braces that are spelt by number": 'x{a=~"\\\\pL\\x7b1000\\u007d"}',
    "a backslash that is spelt by number": 'x{a=~"\\x5cpL{1000}"}',
    "a comment between": "x{a=~ # )\n `(.{100}){100}`}",
    "a name in quotes": '{"x", "a"=~`(.{100}){100}`}',
    "a number that no machine counts to": matching("(((.{9999}){9999}){9999}){" + "9" * 400 + "}"),
    "a flag that lets a repetition be written apart": matching("(?x).{ 900 # times\n}{900}"),
}
LONGEST = 4096  # characters of a query, by the schema
MODEST = {
    "nothing": "",
    "a prefix": "shop-.*",
    "many names": "|".join(f"checkout-{number}" for number in range(300)),
    "a pod of a deployment": "checkout-[a-f0-9]{8,10}-[a-z0-9]{5}",
    "a uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "an address": r"(\d{1,3}\.){3}\d{1,3}(:\d+)?",
    "words": r"\w+-\w+-\w{5}",
    "upper and lower case": "(?i)(error|fatal).*[a-z]+[^/]+",
    "codes": "5..|4[0-9]{2}",
    "what is harmless because the library is linear": "(?:a?){60}a{60}",
    "repetitions of repetitions without a number": "((((a*)*)+)+)+b",
    "braces that repeat nothing": r"\{1000\}[{]1000}",
}
SECONDS, MEGABYTES = 2.0, 256.0
CHILD = """
import json, resource, sys
import promql_parser
from opssight_operator.core.promql import check
from opssight_operator.errors import InvalidQuery
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
queries, said = json.load(sys.stdin), []
before = resource.getrusage(resource.RUSAGE_SELF)
for query in queries:
    try:
        check(query)
        said.append("")
    except InvalidQuery as error:
        said.append(str(error))
after = resource.getrusage(resource.RUSAGE_SELF)
seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([said, seconds, (after.ru_maxrss - before.ru_maxrss) / 1024]))
"""


def checked(*queries: str) -> tuple[list[str], float, float]:
    """What is said of queries in a process of their own, with the CPU seconds and the megabytes that they cost."""
    child = [sys.executable, "-c", CHILD]
    done = subprocess.run(child, input=json.dumps(queries), capture_output=True, text=True, check=True, timeout=120)
    said, cpu, memory = json.loads(done.stdout)
    return said, cpu, memory


def test_costly_patterns_are_refused_and_cost_nothing_before_they_are() -> None:
    said, cpu, memory = checked(*COSTLY.values())
    assert {name: words for name, words in zip(COSTLY, said, strict=True) if "pattern" not in words} == {}
    assert cpu < SECONDS and memory < MEGABYTES


@pytest.mark.parametrize("name", MODEST)
def test_a_pattern_that_people_write_is_no_cost(name: str) -> None:
    check(matching(*[MODEST[name]] * 3))
    assert pattern_cost(MODEST[name]) < MAX_COST / 4


ATOMS = [".", r"\w", r"\d", r"\pL", "[^a]", "a", r"[\w.-]", "(?i)foo", r"(?i)\pL", f"(?i){CODEPOINTS}", "(a|b)", ".*"]


def dearest(atom: str) -> str:
    """As much of an atom as is compiled: in one pattern, and then in as many matchers as there is room for."""
    times = 1
    while pattern_cost(f"({atom}){{{times * 2}}}") < MAX_COST - 1000 and times < 500:
        times *= 2
    first = f"({atom}){{{times}}}"
    room = MAX_COST - EACH - pattern_cost(first)
    letters = LONGEST - len(matching(first, ""))
    more = min(room // (EACH + pattern_cost(atom)), letters // len(matching(atom)))
    return matching(first, *[atom] * more)


def test_the_dearest_patterns_that_are_compiled_are_bounded_in_time_and_memory() -> None:
    queries = [dearest(atom) for atom in ATOMS]
    said, cpu, memory = checked(*queries)
    assert said == [""] * len(queries), "what costs as much as is allowed is taken"
    assert cpu / len(queries) < SECONDS / 8 and memory < MEGABYTES


def test_costly_patterns_stop_neither_a_tenants_query_nor_ours() -> None:
    began = time.process_time()
    for query in COSTLY.values():
        with pytest.raises((InvalidQuery, NotAllowed)):
            enforce(query, {"namespace": "shop"})
    assert time.process_time() - began < SECONDS


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(
        InvalidQuery, match="cost over 12 times what may be compiled; repeat less in them, or match fewer"
    ):
        check(COSTLY["letters of all scripts"])
    with pytest.raises(InvalidQuery, match="the flag x, which Prometheus does not know"):
        check(matching("(?x) a"))
