"""Runyard: drop a snapshot, get a run."""
