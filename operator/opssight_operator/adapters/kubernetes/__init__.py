"""The Kubernetes API: rules, status, Events, access and leases, over ``kubernetes.aio``."""

from .client import KubeApi, connect
from .rules import PrometheusRules
from .status import Statuses

__all__ = ["KubeApi", "PrometheusRules", "Statuses", "connect"]
