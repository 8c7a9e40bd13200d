"""The sections that the API offers are those that the engine has."""

from typing import get_args

from opssight_detectors.patterns.sections import SECTIONS
from opssight_operator.api.pattern_report import SectionName


def test_every_section_of_the_engine_can_be_asked_for_by_name():
    assert set(get_args(SectionName)) == set(SECTIONS)
