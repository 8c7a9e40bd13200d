"""Bearer tokens from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from opssight_operator.serving.tokens import TokenFile


def written(path: Path, text: str) -> Path:
    """Written as a mounted Secret changes: another file under the same name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    return fresh.replace(path)


HEADERS: dict[str, tuple[str | None, bool]] = {
    "the token": ("Bearer one", True),
    "another token of the file": ("bearer two", True),
    "no header": (None, False),
    "nothing behind the scheme": ("Bearer ", False),
    "the scheme alone": ("Bearer", False),
    "another scheme": ("Basic one", False),
    "the token alone": ("one", False),
    "a part of the token": ("Bearer on", False),
    "a comment of the file": ("Bearer # old", False),
    "bytes that are no text": ("Bearer \udcff", False),
}


@pytest.mark.parametrize("case", HEADERS.values(), ids=list(HEADERS))
def test_who_is_let_in(tmp_path: Path, case: tuple[str | None, bool]) -> None:
    header, allowed = case
    tokens = TokenFile(written(tmp_path / "tokens", "# old\n\none\n  two  \n"))
    assert tokens.allows(header) is allowed


def test_a_token_that_was_taken_out_is_refused_and_the_new_one_let_in(tmp_path: Path) -> None:
    path = written(tmp_path / "tokens", "old-one")
    tokens = TokenFile(path)
    assert tokens.allows("Bearer old-one")
    written(path, "new-one")
    assert not tokens.allows("Bearer old-one")
    assert tokens.allows("Bearer new-one")


@pytest.mark.parametrize("text", [None, "", "# nothing\n", b"\xff\xfe"])
def test_while_the_file_holds_no_token_nobody_is_let_in(tmp_path: Path, text: str | bytes | None) -> None:
    path = written(tmp_path / "tokens", "one")
    tokens = TokenFile(path)
    path.unlink()
    if isinstance(text, str):
        written(path, text)
    elif text is not None:
        path.write_bytes(text)
    assert not tokens.allows("Bearer one")
    assert not tokens.allows("Bearer ")
    written(path, "one")
    assert tokens.allows("Bearer one")


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_a_server_does_not_start_with_a_file_that_holds_no_token(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"token_file is '.*tokens'; it must"):
        TokenFile(path)
