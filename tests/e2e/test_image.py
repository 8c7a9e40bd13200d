"""The image that was installed keeps what `make image-check` holds it to."""

from __future__ import annotations

from concurrent.futures import Future


def test_the_image_that_was_installed_keeps_its_promises(image_told: Future[str]) -> None:
    """No pip, no compiler, bytecode, labels, what the bill of materials says, and the targets of size and start-up."""
    said = image_told.result()
    assert ": as promised; " in said
    print(said.strip())
