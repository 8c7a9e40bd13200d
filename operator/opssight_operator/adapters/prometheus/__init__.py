"""Prometheus, its relatives, and what stands between them and us."""
