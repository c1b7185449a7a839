"""Adapters of the ports that keep things: ``embedded`` for one machine, ``memory`` for tests.

What adapters share (names, cursors, the rules of a queue) is here beside them; no adapter imports another.
"""
