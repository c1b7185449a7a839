"""Runs: their values, their states and the legal moves between them. No I/O."""
