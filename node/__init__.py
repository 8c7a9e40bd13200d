"""A real Kubernetes node on this machine, in namespaces of its own, gone without a trace. See README.md."""

from .node import Node

__all__ = ["Node"]
