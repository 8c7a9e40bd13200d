"""What is committed is what the code generates, and every word of the contract has its sentence."""

from pathlib import Path

import pytest

from opssight_operator.api import docs, schema
from opssight_operator.api.conditions import REASON_MEANING, STALLING, TYPE_MEANING, ConditionType, Reason
from opssight_operator.api.event_reasons import EVENT_REASON_MEANING, EventReason
from opssight_operator.api.remedies import REMEDY
from opssight_operator.api.threshold_reasons import THRESHOLD_REASON_MEANING, ThresholdReason
from opssight_operator.errors import OpsSightError, SpecError

ROOT = Path(__file__).parents[2]
GOOD = {
    Reason.RECONCILED,
    Reason.SAMPLES_FOUND,
    Reason.TRAINED,
    Reason.LOADED,
    Reason.NO_RULE,
    Reason.LEARNED,
    Reason.RECOMMEND_ONLY,
    Reason.RECORDED,
    Reason.RENDERED,
    Reason.PATCHED,
    Reason.AS_PREDICTED,
    Reason.ANSWERING,
    Reason.SCHEDULED,
    Reason.EVERYTHING_READ,
}


def test_the_committed_definitions_are_as_generated():
    assert schema.main(["--check", "--output", str(ROOT / "crds")]) == 0


def test_no_definition_is_left_of_a_kind_that_is_gone():
    assert {path.name for path in (ROOT / "crds").iterdir()} == set(schema.manifests())


def test_the_committed_pages_are_as_generated():
    assert docs.main(["--check", "--output", str(ROOT / "docs")]) == 0


@pytest.mark.parametrize("generate", [schema.main, docs.main], ids=["schema", "docs"])
def test_a_file_that_differs_is_named_and_fails_the_check(generate, tmp_path, capsys):
    assert generate(["--output", str(tmp_path)]) == 0
    assert generate(["--check", "--output", str(tmp_path)]) == 0
    touched = sorted(tmp_path.iterdir())[0]
    touched.write_text(touched.read_text() + "\n")
    assert generate(["--check", "--output", str(tmp_path)]) == 1
    assert f"{touched} is not as generated; run `make generate`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meanings"),
    [
        (ConditionType, TYPE_MEANING),
        (Reason, REASON_MEANING),
        (ThresholdReason, THRESHOLD_REASON_MEANING),
        (EventReason, EVENT_REASON_MEANING),
    ],
    ids=["conditions", "reasons", "reasons of thresholds", "reasons of Events"],
)
def test_every_word_has_a_sentence_that_says_when_it_is_true(words, meanings):
    assert set(meanings) == set(words)
    for word, meaning in meanings.items():
        assert meaning.endswith("."), word
        assert meaning[0].isupper() or meaning.startswith("spec."), word
        assert len(meaning.split()) >= 4, word


def test_every_reason_is_good_or_has_something_to_do():
    assert set(REMEDY) == set(Reason) - GOOD
    assert all(remedy.endswith((".", "?")) for remedy in REMEDY.values())


def test_stalled_is_what_no_other_try_of_the_same_spec_can_mend():
    assert {str(reason) for reason in STALLING} == {error.__name__ for error in SpecError.__subclasses__()}


def test_every_error_that_is_raised_on_purpose_has_its_reason():
    def leaves(error):
        children = error.__subclasses__()
        return [error] if not children else [leaf for child in children for leaf in leaves(child)]

    assert {leaf.__name__ for leaf in leaves(OpsSightError)} <= {str(reason) for reason in Reason}
