"""What becomes of a threshold after its delivery: how long it is judged, and what follows a wrong prediction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import (
    Duration,
    KubeModel,
    Number,
    Time,
    TimeSpan,
)
from .durations import seconds_in_cel
from .validation import Bounds, Rule, unless_malformed

OutcomeState = Literal["Waiting", "AsPredicted", "TooMany", "TooFew", "Unknown"]


class Outcome(KubeModel):
    """What happens when a delivered threshold raises another number of alerts than was predicted."""

    action: Literal["RollBack", "Report"] = "RollBack"
    """action says what follows when the observed episodes are outside the predicted range: RollBack (the default) to
    the last good threshold, or Report in the conditions alone."""
    after: Annotated[Duration, Bounds(at_least="1m", of="duration")] = "1d"
    """after a change, the time until observed and predicted episodes are compared; the default is 1d."""
    until: Annotated[Duration, Bounds(at_least="1m", of="duration")] = "7d"
    """until so long after a change a threshold is judged by it; the default is 7d."""
    hold: Duration = "1d"
    """hold is how long a threshold stays where it was rolled back to; the default is 1d."""

    CEL = (
        Rule(
            unless_malformed(
                f"{seconds_in_cel('self.after')} <= {seconds_in_cel('self.until')}",
                durations=["self.after", "self.until"],
            ),
            "outcome.after must not be longer than outcome.until",
            "outcome.after is {{self.after}} and outcome.until is {{self.until}}; "
            "after must not be longer than until, or nothing would ever be judged",
            field=".after",
        ),
    )


class Trial(KubeModel):
    """The changes since the last good threshold that came before the last one; all are judged together."""

    since: Time
    """since is when the last good threshold was left."""
    predicted_episodes: Number
    """predictedEpisodes are those that were expected of the thresholds before the current one."""
    observed_episodes: Annotated[int, Field(ge=0)] | None = None
    """observedEpisodes of these thresholds; absent when they were not known."""


class ThresholdOutcome(KubeModel):
    """The alert episodes since the last change of a threshold, against what was predicted."""

    since: Time
    """since is when the threshold was delivered."""
    state: OutcomeState = "Waiting"
    """state is Waiting (too early to say), AsPredicted, TooMany or TooFew episodes, or Unknown."""
    predicted_episodes_per_week: Number
    """predictedEpisodesPerWeek is what the simulation expected of the threshold."""
    predicted_from: TimeSpan
    """predictedFrom is the length of the history that the prediction rests on."""
    observed_episodes: Annotated[int, Field(ge=0)] | None = None
    """observedEpisodes since then, or since the beginning of the trial; absent when it is not known."""
    fewest: Annotated[int, Field(ge=0)] = 0
    """fewest episodes that the prediction allows by now."""
    most: Annotated[int, Field(ge=0)] = 0
    """most episodes that the prediction allows by now."""
    last_good: Number | None = None
    """lastGood is the threshold to go back to; absent for the first one, after going back, and where none proved
    good."""
    last_good_hours: Annotated[str, StringConstraints(max_length=8192)] | None = None
    """lastGoodHours are the seasonal thresholds to go back to."""
    trial: Trial | None = None
    """trial that this change is a part of; absent when it is the first since the last good threshold."""
    rolled_back_at: Time | None = None
    """rolledBackAt is when the threshold went back to its last good value."""
    message: Annotated[str, StringConstraints(max_length=256)] = ""
    """message says what is not known."""
