"""One line of JSON in the cluster, one line of text for a person."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from opssight_operator.adapters.logs import configure

OURS = logging.getLogger("opssight_operator")


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "kopf", "opssight_operator")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def test_a_record_is_one_line_of_json_with_a_constant_message_and_key_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json", "INFO")
    OURS.getChild("x").info("a run ended", extra={"key": ("a", "b"), "seconds": 0.5})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["message"] == "a run ended"
    assert (said["key"], said["seconds"], said["level"]) == (["a", "b"], 0.5, "INFO")
    assert said["time"].endswith("+00:00")


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_defect_shows_its_traceback(capsys: pytest.CaptureFixture[str], style: str) -> None:
    configure(style, "INFO")
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        OURS.exception("a defect", extra={"key": object()})
    said = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in said
    assert (len(said.splitlines()) == 1) is (style == "json")


def test_text_is_for_reading(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text", "INFO")
    OURS.warning("not yet", extra={"why": "no lease"})
    assert capsys.readouterr().err.endswith("WARNING not yet why=no lease\n")


def test_libraries_speak_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "DEBUG")
    logging.getLogger("kopf.objects").info("Handler 'watch' succeeded.")
    logging.getLogger("aiohttp.access").info("GET /")
    OURS.debug("ours")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["ours"]
