"""One door for each outside system: its limits, and its errors mapped to ours."""
