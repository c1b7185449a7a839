"""The triggers. A handler parses its binding, calls one use case and returns."""
