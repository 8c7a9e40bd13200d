"""OpsSight: a Kubernetes operator that keeps Prometheus alert thresholds tuned and says what is anomalous."""

__version__ = "0.1.0"
