"""Dispatch: from a compute's waiting list through a slot to the compute, and cancel requests."""

from runyard.dispatch.cancel import cancel_waiting, press_cancel, request_cancel
from runyard.dispatch.dispatcher import dispatch
from runyard.dispatch.hand_over import take_over

__all__ = ["cancel_waiting", "dispatch", "press_cancel", "request_cancel", "take_over"]
