"""Dispatch: from a compute's waiting list through a slot to the compute, and cancel requests."""

from runyard.dispatch.cancel import cancel_waiting, request_cancel
from runyard.dispatch.claims import take_over
from runyard.dispatch.dispatcher import dispatch

__all__ = ["cancel_waiting", "dispatch", "request_cancel", "take_over"]
