"""What ``make demo`` runs: the whole loop on this machine, and a check that each step of it was seen."""
