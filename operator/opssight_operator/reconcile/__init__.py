"""Use cases: gather, score, decide. They speak to the outside through ``ports`` only."""
