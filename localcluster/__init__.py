"""Real Kubernetes and Prometheus servers on this machine, without a container engine. See README.md."""

from .cluster import Cluster
from .errors import ClusterError
from .health import ServerStatus
from .http import HttpError
from .options import Options
from .prometheus import Prometheus

__all__ = ["Cluster", "ClusterError", "HttpError", "Options", "Prometheus", "ServerStatus"]
