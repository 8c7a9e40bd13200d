"""Which report is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builders import a_report
from opssight_operator.api.report_status import KeptReport, PatternReportStatus
from opssight_operator.core.report_schedule import timetable
from opssight_operator.core.timing import rfc3339
from opssight_operator.errors import InvalidSpec


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def remembering(next_run_at: str | None, **spec):
    return a_report(status=PatternReportStatus(next_run_at=next_run_at), **spec)


def kept(generation: int) -> KeptReport:
    times = {"at": "2026-01-05T06:00:00Z", "from": "2026-01-04T06:00:00Z", "to": "2026-01-05T06:00:00Z"}
    return KeptReport.model_validate({"name": "x", **times, "digest": "sha256:0", "generation": generation})


def test_a_new_report_waits_for_its_first_time():
    table = timetable(remembering(None), at("2026-01-05 10:00"))
    assert table.due is None
    assert table.next_at == at("2026-01-06 06:00")


def test_what_is_due_ends_when_it_was_due_and_not_when_it_is_made():
    table = timetable(remembering("2026-01-06T06:00:00Z", lookback="12h", history="7d"), at("2026-01-06 06:07"))
    assert table.due is not None
    assert table.due.end == at("2026-01-06 06:00")
    assert table.due.start == at("2026-01-05 18:00")
    assert table.due.history_start == at("2025-12-29 18:00")
    assert table.due.label == "20260106-0600"
    assert table.next_at == at("2026-01-07 06:00")


def test_after_an_outage_of_three_days_one_report_is_due_and_it_is_the_latest():
    table = timetable(remembering("2026-01-06T06:00:00Z"), at("2026-01-09 05:00"))
    assert table.due is not None
    assert table.due.label == "20260108-0600"


def test_a_report_that_fails_keeps_its_label_until_the_next_is_due():
    labels = {
        timetable(remembering("2026-01-06T06:00:00Z"), at(f"2026-01-06 {hour:02}:30")).due.label  # type: ignore[union-attr]
        for hour in range(6, 24)
    }
    assert labels == {"20260106-0600"}


def test_the_zone_of_the_schedule_counts():
    berlin = {"cron": "0 6 * * *", "timeZone": "Europe/Berlin"}
    assert timetable(remembering(None, schedule=berlin), at("2026-07-05 10:00")).next_at == at("2026-07-06 04:00")


def test_a_changed_cron_is_followed_at_once():
    report = remembering("2026-01-06T06:00:00Z", schedule={"cron": "0 12 * * *"})
    assert timetable(report, at("2026-01-05 10:00")).next_at == at("2026-01-05 12:00")


def test_what_was_due_by_the_old_cron_is_still_made():
    report = remembering("2026-01-06T06:00:00Z", schedule={"cron": "0 12 * * *"})
    table = timetable(report, at("2026-01-06 07:00"))
    assert table.due is not None
    assert table.due.end == at("2026-01-06 06:00")


def test_a_cron_that_comes_every_minute_makes_a_report_every_five():
    now, status, made = at("2026-01-05 10:00:01"), PatternReportStatus(), []
    for _ in range(60):
        report = a_report(status=status, schedule={"cron": "* * * * *"})
        table = timetable(report, now, 300.0)
        last = status.last_report
        if table.due is not None:
            made.append(table.due.label[-4:])
            times = {"at": "x", "from": "x", "to": rfc3339(table.due.end)}
            last = KeptReport.model_validate({"name": "x", **times, "digest": "sha256:0"})
        status = PatternReportStatus(next_run_at=rfc3339(table.next_at or 0.0), last_report=last)
        now += 20
    assert made == ["1001", "1006", "1011", "1016"]


@pytest.mark.parametrize(("made_for", "due"), [(None, True), (1, True), (2, False)])
def test_a_report_of_type_once_is_made_once_for_each_spec(made_for, due):
    status = PatternReportStatus(last_report=None if made_for is None else kept(made_for))
    table = timetable(a_report(generation=2, status=status, schedule={"type": "Once"}), at("2026-01-05 10:00:42"))
    assert (table.due is not None) == due
    assert table.next_at is None
    if table.due:
        assert table.due.end == at("2026-01-05 10:00")
        assert table.due.label == "once-2"


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ({"cron": "0 6 30 2 mon#1"}, "schedule.cron"),
        ({"timeZone": "Europe/Atlantis"}, "schedule.timeZone is Europe/Atlantis; it must be the name of a time zone"),
        ({"timeZone": "../etc/passwd"}, "schedule.timeZone"),
        ({"timeZone": "Europe"}, "schedule.timeZone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_by_its_field(schedule, says):
    report = a_report()
    changed = report.spec.schedule.model_copy(
        update={{"timeZone": "time_zone"}.get(k, k): v for k, v in schedule.items()}
    )
    report = report.model_copy(update={"spec": report.spec.model_copy(update={"schedule": changed})})
    with pytest.raises(InvalidSpec) as refusal:
        timetable(report, at("2026-01-05 10:00"))
    assert says in str(refusal.value)
