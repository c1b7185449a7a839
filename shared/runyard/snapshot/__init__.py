"""Snapshots: a zip of a source directory, made from a directory and read by ranges."""
