"""Who leads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.core.leases import LeaseSeen, Move, next_move, observed, seconds_left

CASES = {
    "there is no lease": (None, 0.0, Move.CREATE),
    "it is ours": (LeaseSeen("me", "1", 15.0, 0.0), 5.0, Move.RENEW),
    "it is ours, and nobody has taken it since it expired": (LeaseSeen("me", "1", 15.0, 0.0), 500.0, Move.RENEW),
    "it was given back": (LeaseSeen("", "2", 1.0, 100.0), 100.0, Move.TAKE),
    "another replica renews it": (LeaseSeen("other", "3", 15.0, 100.0), 114.9, Move.WAIT),
    "another replica has not renewed it in time": (LeaseSeen("other", "3", 15.0, 100.0), 115.0, Move.TAKE),
    "another replica asks for a longer time than we would": (LeaseSeen("other", "3", 60.0, 100.0), 130.0, Move.WAIT),
}


@pytest.mark.parametrize(("seen", "now", "move"), CASES.values(), ids=CASES.keys())
def test_the_next_move(seen: LeaseSeen | None, now: float, move: Move) -> None:
    assert next_move(seen, "me", now) is move


def test_a_lease_that_is_seen_for_the_first_time_is_given_its_whole_time_whatever_its_timestamps_say() -> None:
    seen = observed(None, "other", "7", 15.0, now=1000.0)
    assert next_move(seen, "me", 1014.0) is Move.WAIT
    assert next_move(seen, "me", 1015.0) is Move.TAKE


def test_a_renewed_lease_starts_its_time_anew() -> None:
    seen = observed(None, "other", "7", 15.0, now=1000.0)
    seen = observed(seen, "other", "7", 15.0, now=1010.0)
    assert seen.unchanged_since == 1000.0
    seen = observed(seen, "other", "8", 15.0, now=1012.0)
    assert next_move(seen, "me", 1026.0) is Move.WAIT


@given(st.floats(0, 1e6), st.floats(0.1, 60.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0))
@settings(deadline=None)
def test_a_leader_has_ended_before_another_replica_may_begin(
    renewed_at: float, seconds: float, delay: float, noticed: float
) -> None:
    """The renewal is written after it was asked for, and seen by the other replica later still."""
    seen = observed(None, "leader", "9", seconds, now=renewed_at + delay + noticed)
    ends = renewed_at + seconds_left(renewed_at, renewed_at, seconds)
    assert next_move(seen, "other", ends) is Move.WAIT
