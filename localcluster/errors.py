"""What a person has to read when the local cluster cannot do what was asked."""

from __future__ import annotations


class ClusterError(Exception):
    """The message is complete: what failed, and the last lines of the log when a server did."""
