"""What the messages say: the most common templates, those that came more often than before, and those never seen.

A template's share among the messages is tested by Fisher's exact test against the history, or against an even spread
when there is none. That a template is common, or seen for the first time, is a plain observation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..evidence import Evidence
from ..findings import BarPlot, Finding, Outcome, Statistic, Table, nothing
from ..phrases import count, moment, percent, where
from ..stats import benjamini_hochberg, binomial_tail, dispersion_of, hypergeometric_tail

SECTION = "ErrorPatterns"
MIN_MESSAGES = 2
MIN_CLAIM = 5
MIN_RATIO = 1.5
COMMON_SHARE = 0.1
_TOP = 10


def error_patterns(evidence: Evidence) -> Outcome:
    """Templates that grew, templates that are new, and a table of the most common ones."""
    template_of, inside = evidence.template_of, evidence.in_window
    with_message = template_of >= 0
    size = len(evidence.templates)
    now = np.bincount(template_of[with_message & inside], minlength=size)
    past = np.bincount(template_of[with_message & ~inside], minlength=size)
    if now.sum() < MIN_MESSAGES:
        return nothing(f"{count(int(now.sum()), 'message')} in the window, at least {MIN_MESSAGES} are needed")
    new = (now > 0) & (past == 0) & ~evidence.known_templates
    fresh = new if evidence.has_history or evidence.known_templates.any() else np.zeros(size, dtype=bool)
    grown = _grown(evidence, now, past)
    findings = [*grown, *_first_seen(evidence, now, fresh, {finding.subject for finding in grown})]
    common = _most_common(evidence, now, fresh)
    findings.extend([common] if common else [])
    return Outcome(tuple(findings)) if findings else nothing("no message pattern stands out")


def _grown(evidence: Evidence, now: NDArray[np.int64], past: NDArray[np.int64]) -> list[Finding]:
    present = np.flatnonzero(now)
    n, past_n = int(now.sum()), int(past.sum())
    compare = evidence.has_history and past_n > 0
    expected = past / past_n if compare else np.full(now.size, 1.0 / present.size)
    p_values = np.ones(present.size)
    for j, i in enumerate(present.tolist()):
        k = int(now[i])
        if k < MIN_CLAIM or k < MIN_RATIO * expected[i] * n:
            continue
        if not compare:
            p_values[j] = binomial_tail(k, n, float(expected[i])) if present.size > 1 else 1.0
            continue
        scatter = dispersion_of(evidence.daily_counts(evidence.template_of[~evidence.in_window] == i))
        k_now, k_past = math.floor(k / scatter), math.ceil(int(past[i]) / scatter)
        others_now, others_past = math.ceil((n - k) / scatter), math.floor((past_n - int(past[i])) / scatter)
        p_values[j] = hypergeometric_tail(
            k_now, k_now + k_past + others_now + others_past, k_now + k_past, k_now + others_now
        )
    adjusted = benjamini_hochberg(p_values)
    usual = f"over the {evidence.history_days:.0f} days before it was" if compare else "an even spread would be"
    findings = []
    for j, i in enumerate(present.tolist()):
        if adjusted[j] > evidence.alpha or p_values[j] >= 1.0:
            continue
        k, template = int(now[i]), evidence.templates[i]
        rows = evidence.incidents.take(evidence.template_of[evidence.in_window] == i)
        never = " It was never seen before." if compare and past[i] == 0 and not evidence.known_templates[i] else ""
        findings.append(
            Finding(
                section=SECTION,
                kind="Grown",
                subject=template.text,
                sentence=(
                    f"“{template.text}” made up {percent(k / n)} of {count(n, 'message')}{where(rows)} ({k:,}); "
                    f"{usual} {percent(float(expected[i]))}.{never}"
                ),
                support=k,
                statistic=Statistic("ratio of shares", k / n / expected[i] if expected[i] > 0 else math.inf),
                p_value=float(p_values[j]),
                adjusted_p_value=float(adjusted[j]),
                highlight=True,
            )
        )
    return sorted(findings, key=lambda finding: (finding.p_value or 0.0, -finding.support))


def _first_seen(evidence: Evidence, now: NDArray[np.int64], fresh: NDArray[np.bool_], told: set[str]) -> list[Finding]:
    findings = []
    of_row = evidence.template_of[evidence.in_window]
    for i in sorted(np.flatnonzero(fresh).tolist(), key=lambda i: (-now[i], evidence.templates[i].text))[:_TOP]:
        template = evidence.templates[i]
        if template.text in told:
            continue
        rows = evidence.incidents.take(of_row == i)
        findings.append(
            Finding(
                section=SECTION,
                kind="New",
                subject=template.text,
                sentence=(
                    f"“{template.text}” is new: {count(int(now[i]), 'message')}{where(rows)}, "
                    f"first at {moment(float(rows.start[0]), evidence.zone)}."
                ),
                support=int(now[i]),
            )
        )
    return findings


def _most_common(evidence: Evidence, now: NDArray[np.int64], fresh: NDArray[np.bool_]) -> Finding | None:
    n = int(now.sum())
    order = [i for i in np.argsort(-now, kind="stable")[:_TOP].tolist() if now[i] > 0]
    top = order[0]
    if now[top] < MIN_MESSAGES or now[top] < COMMON_SHARE * n:
        return None
    texts = [evidence.templates[i] for i in order]
    finding = Finding(
        section=SECTION,
        kind="MostCommon",
        subject="templates",
        sentence=(
            f"{count(n, 'message')} have {count(int((now > 0).sum()), 'pattern')}; the most common, "
            f"“{texts[0].text}”, came {count(int(now[top]), 'time')}."
        ),
        support=n,
        table=Table(
            header=("pattern", "messages", "share", "new", "example"),
            rows=tuple(
                (template.text, f"{now[i]:,}", percent(now[i] / n), "new" if fresh[i] else "", template.example[:200])
                for i, template in zip(order, texts, strict=True)
            ),
        ),
    )
    if len(order) == 1:
        return finding
    return replace(
        finding,
        plot=BarPlot(
            title="Most common message patterns",
            labels=tuple(_short(template.text) for template in texts),
            values=tuple(float(now[i]) for i in order),
            expected=(),
            highlighted=tuple(j for j, i in enumerate(order) if fresh[i]),
            unit="messages",
        ),
    )


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
