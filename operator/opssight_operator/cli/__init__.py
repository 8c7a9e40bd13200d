"""``opssight``: the same engine on the command line, without a cluster."""

from __future__ import annotations


def main() -> None:
    """Entry point of the commands ``opssight`` and ``kubectl opssight``."""
    from .app import run

    run()
