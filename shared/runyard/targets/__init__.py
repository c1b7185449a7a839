"""Compute targets: one package per kind, each loaded on first use by :mod:`.registry`."""
