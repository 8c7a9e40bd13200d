"""Files in ConfigMaps and out of them again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.core.report_documents import document_name, packed, part_names, unpacked

TEXT = st.text(st.sampled_from('ab"é☃😀\n'), max_size=900)
NAMES = ("report.md", "report.html", "report.json", "templates.json")


@given(st.dictionaries(st.sampled_from(NAMES), TEXT, min_size=1), st.integers(60, 400))
@settings(max_examples=150, deadline=None)
def test_what_is_packed_comes_out_again_and_every_object_is_within_the_limit(files, limit):
    documents = packed("morning", "x", files, limit)
    assert unpacked(document.data for document in documents) == files
    assert [document.name for document in documents] == list(part_names("x", len(documents)))
    for document in documents:
        assert sum(len(key) + len(text.encode()) for key, text in document.data.items()) <= limit


def test_what_fits_is_one_object_with_plain_names():
    (document,) = packed("morning", "x", {"report.md": "a", "report.html": "b"})
    assert document.data == {"report.md": "a", "report.html": "b"}


def test_a_name_of_the_greatest_length_is_one_that_kubernetes_takes():
    name = document_name("x" * 200, "20260106-0600")
    assert len(part_names(name, 1000)[-1]) <= 253


def test_keys_of_others_are_passed_over():
    assert unpacked([{"note": "mine", "report.md": "a"}]) == {"report.md": "a"}
