"""The shell around the use cases: kopf watches, the scheduler runs, a plan is applied."""
