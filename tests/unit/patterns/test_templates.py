"""Messages of one statement of a program share a template, whatever values it filled in."""

from __future__ import annotations

import json
import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.patterns.masking import Masker, mask_word
from opssight_detectors.patterns.templates import TemplateMiner, mine

MASKED = {
    "a number": ("4711", "<*>"),
    "a number with its unit attached": ("19.05ms", "<*>"),
    "an address with a port": ("/10.10.34.11:45307", "<*>"),
    "a uuid": ("[e3871ffd-5cd5-4287-bddd-3529f7b59515]", "[<*>]"),
    "a hardware address": ("5c:50:15:4c:18:13,", "<*>,"),
    "a path": ("/var/lib/kubelet/pods", "<*>"),
    "a url": ("http://registry/v2/app", "<*>"),
    "the value of a key": ("user=root", "user=<*>"),
    "a word": ("timeout", "timeout"),
    "two words with a slash": ("read/write", "read/write"),
    "a pod name": ("checkout-7d9f8b-x2x4z", "<*>"),
}


@pytest.mark.parametrize(("word", "masked"), MASKED.values(), ids=MASKED.keys())
def test_a_value_is_masked_and_text_is_kept(word: str, masked: str) -> None:
    assert mask_word(word) == masked


def test_lists_and_sizes_of_any_length_have_one_shape() -> None:
    masker = Masker()
    assert masker.shape("free 5.2 KB, ids 1 2 3") == masker.shape("free 850 B, ids 7")


USERS = ["ada", "bob", "cyd", "dee", "eve", "fay", "gus"]
STATEMENTS = [
    lambda r: (
        f"Connection to {r.choice(['db', 'cache'])}-{r.randrange(9)}.shop.svc:5432 refused after {r.random():.3f}"
    ),
    lambda r: f"user {r.choice(USERS)} logged in from 10.0.{r.randrange(255)}.1",
    lambda r: f"user {r.choice(USERS)} logged out",
    lambda r: "Liveness probe failed: HTTP probe failed with statuscode: 503",
    lambda r: f"Back-off restarting failed container app in pod web-{r.randrange(16**8):08x}",
    lambda r: f"OOMKilled pid={r.randrange(9999)} anon-rss:{r.randrange(10**6)}kB",
    lambda r: f"task {r.randrange(99)} transitioned from NEW to RUNNING",
]


def _messages(n: int, seed: int) -> tuple[list[str], list[int]]:
    rng = random.Random(seed)
    truth = [rng.randrange(len(STATEMENTS)) for _ in range(n)]
    return [STATEMENTS[i](rng) for i in truth], truth


def _partition(groups: list[int]) -> set[tuple[int, ...]]:
    members = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    return {tuple(rows) for rows in members.values()}


@pytest.mark.parametrize("seed", range(5))
def test_every_statement_of_a_program_becomes_one_template(seed: int) -> None:
    messages, truth = _messages(600, seed)
    assert _partition(mine(messages)) == _partition(truth)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet="ab1 /=:", max_size=12), max_size=30), st.randoms())
def test_the_order_of_the_messages_changes_nothing(messages: list[str], rng: random.Random) -> None:
    order = list(range(len(messages)))
    rng.shuffle(order)
    shuffled = mine([messages[i] for i in order])
    back = [0] * len(messages)
    for position, i in enumerate(order):
        back[i] = shuffled[position]
    assert _partition(back) == _partition(mine(messages))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(1, 4))
def test_each_message_has_a_template_that_counts_it(messages: list[str], max_shapes: int) -> None:
    miner = TemplateMiner(max_shapes=max_shapes)
    rows = miner.learn(messages)
    mined = miner.mined()
    assert rows.shape == (len(messages),)
    assert sum(template.count for template in mined.templates) == len(messages)
    for template_number in set(mined.of_row[rows].tolist()):
        assert mined.templates[template_number].count == int((mined.of_row[rows] == template_number).sum())


def test_a_full_memory_folds_shapes_and_keeps_frequent_templates_apart() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["".join(random.Random(i).choices(letters, k=8)) for i in range(3_000)]
    messages = [m for name in names for m in (f"user {name} logged in today", f"job {name} was evicted at once")]
    miner = TemplateMiner(max_shapes=100)
    rows = miner.learn(messages)
    mined = miner.mined()
    assert {t.text for t in mined.templates[:2]} == {"user <*> logged in today", "job <*> was evicted at once"}
    assert mined.of_row[rows[0]] == mined.of_row[rows[-2]] != mined.of_row[rows[-1]]
    assert len(miner.state()["templates"]) <= 100


def test_a_template_is_new_when_the_state_before_did_not_know_it() -> None:
    before = TemplateMiner()
    before.learn(_messages(200, 1)[0])
    state = json.loads(json.dumps(before.state()))
    miner = TemplateMiner.from_state(state)
    miner.learn([*_messages(200, 2)[0], "certificate of host web-1 expires in 3 days", "volume vol-7 is 91% full"])
    new = {t.text for t in miner.mined().templates if t.count and not t.past_count}
    assert new == {"certificate of host <*> expires in <*> days", "volume <*> is <*>% full"}


def test_the_state_keeps_the_counts() -> None:
    miner = TemplateMiner()
    miner.learn(_messages(200, 1)[0])
    again = TemplateMiner.from_state(miner.state())
    assert sum(t.past_count for t in again.mined().templates) == 200
    assert {(t.text, t.past_count) for t in again.mined().templates} == {
        (t.text, t.count) for t in miner.mined().templates
    }


BAD_STATES = {
    "another version": ({"version": 99}, "version of the template state is 99"),
    "words that are no list": ({"version": 1, "templates": [{"words": "x", "count": 1}]}, "list of strings, not 'x'"),
    "a negative count": ({"version": 1, "templates": [{"words": ["x"], "count": -1}]}, "at least 0, not -1"),
}


@pytest.mark.parametrize(("state", "sentence"), BAD_STATES.values(), ids=BAD_STATES.keys())
def test_a_broken_state_is_refused_with_a_reason(state: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TemplateMiner.from_state(state)


HOSTILE = {
    "one endless word": "a" * 10_000_000,
    "slashes": "/" * 255 + " " + "a/" * 100_000,
    "keys": "a=" * 120 + " " + "=" * 200_000,
    "colons": ("ab:" * 80 + " ") * 5_000,
    "dots and dashes": ("-." * 120 + " ") * 5_000,
}


@pytest.mark.timeout(2)
@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_takes_no_more_time_than_its_length(message: str) -> None:
    assert len(mine([message] * 3)) == 3
