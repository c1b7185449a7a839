"""Accept: the doors through which runs are asked for, and the reading of what was asked."""

from runyard.accept.acceptor import accept
from runyard.accept.doors import check_room, drop, resubmit, submit
from runyard.accept.rejections import reject
from runyard.accept.tally import Tally
from runyard.accept.webhooks import deliver

__all__ = ["Tally", "accept", "check_room", "deliver", "drop", "reject", "resubmit", "submit"]
