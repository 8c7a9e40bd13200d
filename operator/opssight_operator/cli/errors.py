"""The one error of the command line."""

from __future__ import annotations


class BadInput(Exception):
    """What was given cannot be used; the message is a sentence that names the value and its place."""
