"""The image that the next tests run keeps what `make image-check` holds it to."""

from __future__ import annotations

from node import images

from e2e import platforms


def test_the_image_that_is_installed_keeps_its_promises() -> None:
    """No pip, no compiler, bytecode, labels, what the bill of materials says, and the targets of size and start-up."""
    (shipped,) = [one for one in platforms.chosen().archives() if one.image == images.operator_image()]
    said = images.check(shipped)
    assert ": as promised; " in said
    print(said.strip())
