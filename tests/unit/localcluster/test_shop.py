"""The shop is a function of time: its history and its live process tell one story."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from localcluster.history import QUIET, Span, history, incidents, series_after, write_openmetrics
from localcluster.noise import rough, smooth
from localcluster.shop import Shop
from localcluster.shop_model import CELL, DAY, HOUR, SERVICES, columns, last_deploy, season
from prometheus_client.openmetrics.parser import text_string_to_metric_families

TUESDAY_DEPLOY = last_deploy("frontend", 1_750_000_000)
END = float(TUESDAY_DEPLOY + 3 * DAY)
NUMBERS = np.arange(100_000, dtype=np.int64)


def column(sample: str, **labels: str) -> int:
    return next(n for n, c in enumerate(columns()) if c.sample == sample and labels.items() <= dict(c.labels).items())


def test_noise_is_standard_normal_and_any_part_can_be_computed_alone() -> None:
    for noise in (rough(NUMBERS, 1, "a"), smooth(NUMBERS, 1, "a", 4)):
        assert abs(noise.mean()) < 0.02
        assert abs(noise.std() - 1) < 0.02
    np.testing.assert_array_equal(rough(NUMBERS[500:600], 1, "a"), rough(NUMBERS, 1, "a")[500:600])
    np.testing.assert_array_equal(smooth(NUMBERS[500:600], 1, "a", 40), smooth(NUMBERS, 1, "a", 40)[500:600])
    assert abs(np.corrcoef(rough(NUMBERS, 1, "a"), rough(NUMBERS, 1, "b"))[0, 1]) < 0.02
    assert abs(np.corrcoef(rough(NUMBERS, 1, "a"), rough(NUMBERS, 2, "a"))[0, 1]) < 0.02


def test_nights_and_weekends_are_calm() -> None:
    monday = np.arange(4 * DAY, 11 * DAY, 60.0)
    load = season(monday).reshape(7, -1)
    hour = load.reshape(7, 24, 60).mean(axis=2)
    assert (hour[:, 3] < 0.5 * hour[:, 18]).all()
    assert load[5:].mean() < 0.8 * load[:5].mean()
    assert load.mean() == pytest.approx(1, abs=0.05)
    around_the_clock = season(np.arange(4 * DAY, 25 * DAY, 60.0))
    assert np.abs(np.diff(around_the_clock)).max() < 0.01


def test_counters_fall_at_deployments_alone() -> None:
    past = history(Span(END - 14 * DAY, END, 300))
    for number, series in enumerate(past.columns):
        if series.cumulative:
            falls = past.moments[1:][np.diff(past.values[:, number]) < 0]
            expected = [last_deploy(series.service, END - week * 7 * DAY) for week in (1, 0)]
            assert len(falls) == len(expected)
            assert all(0 <= fall - deploy <= 300 for fall, deploy in zip(falls, expected, strict=True))


def test_a_bucket_never_holds_more_than_the_next() -> None:
    past = history(Span(END - DAY, END, 300))
    bounds = [n for n, c in enumerate(past.columns) if c.sample.endswith("_bucket") and c.service == "cart"]
    assert len(bounds) == 12
    assert (np.diff(past.values[:, bounds], axis=1) >= 0).all()
    count = column("http_request_duration_seconds_count", service="cart")
    codes = [column("http_requests_total", service="cart", code=code) for code in ("200", "400", "500")]
    np.testing.assert_array_equal(past.values[:, bounds[-1]], past.values[:, count])
    np.testing.assert_allclose(past.values[:, codes].sum(axis=1), past.values[:, count], atol=3)


def test_an_incident_shows_in_its_service_alone() -> None:
    span = Span(END - 14 * DAY, END, 60)
    past = history(span)
    bad = next(one for one in past.incidents if one.kind == "errors")
    during = (past.moments > bad.start + 120) & (past.moments < bad.end - 120)
    before = (past.moments > bad.start - 3600) & (past.moments < bad.start)
    for service in SERVICES:
        number = column("http_requests_total", service=service.name, code="500")
        failed = np.diff(past.values[:, number], prepend=np.nan)
        ratio = failed[during].mean() / failed[before].mean()
        assert (ratio > 20) == (service.name == bad.service)


def test_a_history_has_a_few_incidents_and_ends_in_peace() -> None:
    for seed in range(20):
        found = incidents(END - 14 * DAY, END, seed)
        assert 4 <= len(found) <= 7
        assert all(one.end <= END - QUIET and 20 * 60 <= one.end - one.start <= 55 * 60 for one in found)
        assert {one.kind for one in found} == {"latency", "errors", "cpu"}


def test_the_live_shop_goes_on_exactly_where_the_history_ends() -> None:
    past = history(Span(END - HOUR, END, CELL), seed=3)
    shop = Shop(3, END - 600)
    for back in (599, 333, 331, 100, 0):
        live = shop.advance(END - back)
    whole = np.array([series.whole for series in past.columns])
    np.testing.assert_allclose(np.where(whole, np.floor(live), live), past.values[-1], rtol=1e-9, atol=1)
    gap = series_after(Span(END - HOUR, END - 60, CELL), END, 3)
    known = {tuple(sorted(labels.items())): samples for labels, samples in gap}
    for number, series in enumerate(past.columns):
        target = {"namespace": "shop", "job": "shop", "instance": "shop"}
        labels = {"__name__": series.sample} | target | dict(series.labels)
        samples = known[tuple(sorted(labels.items()))]
        assert [moment for moment, _ in samples] == [END - 45, END - 30, END - 15]
        np.testing.assert_allclose([value for _, value in samples], past.values[-4:-1, number])


def test_a_fault_is_felt_within_seconds_and_healed_at_once() -> None:
    shop = Shop(1, END)
    total = column("container_cpu_usage_seconds_total", pod="cart-0")
    failed = column("http_requests_total", service="cart", code="500")

    def growth(start: float, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        before = shop.advance(start).copy()
        return (shop.advance(start + seconds) - before) / seconds

    healthy = growth(END, 60)
    shop.inject("cart", "errors", 1.0, END + 60)
    broken = growth(END + 70, 60)
    shop.heal(END + 130)
    healed = growth(END + 130, 60)
    assert broken[failed] > 20 * healthy[failed]
    assert healed[failed] < 3 * healthy[failed]
    assert broken[total] == pytest.approx(healthy[total], rel=0.2)


@pytest.mark.parametrize(
    ("service", "kind", "strength", "said"),
    [
        ("bank", "errors", 1.0, "service is 'bank'; it must be one of frontend, checkout, cart, payment"),
        ("cart", "fire", 1.0, "kind is 'fire'; it must be one of latency, errors, cpu"),
        ("cart", "cpu", 0.0, r"strength is 0.0; it must be above 0 and at most 10"),
    ],
)
def test_an_impossible_fault_is_refused(service: str, kind: str, strength: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shop(1, END).inject(service, kind, strength, END)


def test_the_file_and_the_live_page_expose_the_same_series(tmp_path: Path) -> None:
    write_openmetrics(tmp_path / "history.om", Span(END - 600, END, 60))
    lines = (tmp_path / "history.om").read_text().splitlines(keepends=True)
    # one moment of it, because this parser takes a later moment of a histogram for a repetition
    moment = "".join(line for line in lines if line.startswith("#") or line.endswith(f" {END:.0f}\n"))
    families = list(text_string_to_metric_families(moment))
    written = {(sample.name, frozenset(sample.labels.items())) for family in families for sample in family.samples}
    target = {("namespace", "shop"), ("job", "shop"), ("instance", "shop")}
    page = Shop(1, END).exposition(END)
    live = set()
    for line in page.splitlines():
        if not line.startswith("#"):
            name, rest = line.split("{")
            labels = dict(part.split("=") for part in rest.split("}")[0].replace('"', "").split(","))
            live.add((name, frozenset(labels.items() | target)))
    assert written == live | {("up", frozenset(target))}
    assert len(live) == len(columns()) <= 150


def test_the_last_part_of_a_span_is_fine() -> None:
    moments = Span.ending_at(END + 7, 2, 60).moments()
    assert moments[-1] == END
    assert set(np.diff(moments)) == {60.0, 15.0}
    assert (np.diff(moments)[-240:] == 15).all()
    assert moments[0] == END - 2 * DAY


@pytest.mark.parametrize(
    ("span", "said"), [((0.0, 60.0, 7.0), "step is 7.0 s"), ((60.0, 60.0, 15.0), "must be after start")]
)
def test_an_impossible_span_is_refused(span: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Span(*span)
