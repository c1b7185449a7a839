"""Runyard against a model of what must hold, in any order of what may happen."""
