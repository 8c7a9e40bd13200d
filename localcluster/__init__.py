"""Real Kubernetes and Prometheus servers on this machine, without a container engine. See README.md."""

from .cluster import Cluster, Options, ServerStatus
from .errors import ClusterError
from .http import HttpError
from .prometheus import Prometheus

__all__ = ["Cluster", "ClusterError", "HttpError", "Options", "Prometheus", "ServerStatus"]
