"""What can go wrong, as one tree.

::

    RunyardError
    ├── ConfigError            what was asked for cannot be (no retry)
    │   ├── RunconfigError     a run configuration that cannot be read or run
    │   ├── SnapshotError      a zip that cannot be read, is unsafe, or changed
    │   ├── EventError         an event that does not have the agreed form
    │   │   └── MediaTypeError a delivery whose content is of a type that is not understood
    │   └── UnsupportedError   understood, but not available here
    ├── AuthError              who asks may not, or a credential is wrong (no retry)
    ├── NotFoundError          the named thing does not exist
    ├── ConflictError          somebody else changed the row first
    │   ├── IllegalMoveError   the run's state does not allow this move
    │   └── LockLostError      a message's lock expired or was taken
    ├── StorageFullError       the disk has no room; nothing was accepted
    └── TargetError            a compute target did not do what it was asked
        ├── ThrottledError     asked too often; carries ``retry_after`` seconds
        ├── TransientError     may work the next time
        ├── CapacityError      the platform has no room now
        ├── QuotaError         the subscription's limit is reached
        └── PreemptedError     the platform took the machine back

The message of every error is one sentence that a user can act on; it never holds a secret.
``error_class`` is the word of DESIGN's retry table, stored on the run.
"""

from __future__ import annotations

from typing import ClassVar


class RunyardError(Exception):
    """Something that Runyard can say in one sentence."""

    error_class: ClassVar[str] = "internal"
    of_store: bool = False
    """Whether a store of the service itself said so. Then the caller did nothing wrong, and a later try may work."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0])


class ConfigError(RunyardError):
    """What was asked for cannot be done as written."""

    error_class = "config"


class RunconfigError(ConfigError):
    """The run configuration cannot be read or run."""


class SnapshotError(ConfigError):
    """The snapshot cannot be read, is unsafe, or changed since it was accepted."""


class EventError(ConfigError):
    """The event does not have the agreed form."""


class MediaTypeError(EventError):
    """The delivery's content is of a type that is not understood."""


class UnsupportedError(ConfigError):
    """Understood, but not available here."""


class AuthError(RunyardError):
    """The caller may not do this, or a credential is wrong."""

    error_class = "auth"


class NotFoundError(RunyardError):
    """There is no such thing."""

    error_class = "user"


class ConflictError(RunyardError):
    """Somebody else changed the row first."""


class IllegalMoveError(ConflictError):
    """The run's state does not allow this move."""


class LockLostError(ConflictError):
    """The message's lock expired or was taken by another receiver."""


class StorageFullError(RunyardError):
    """The disk has no room left; nothing was accepted."""

    error_class = "quota"


class TargetError(RunyardError):
    """A compute target did not do what it was asked."""

    error_class = "transient"


class ThrottledError(TargetError):
    """The platform asks to slow down."""

    error_class = "throttled"

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TransientError(TargetError):
    """A passing fault: the same call may work the next time."""

    error_class = "transient"


class CapacityError(TargetError):
    """The platform has no room for this now."""

    error_class = "capacity"


class QuotaError(TargetError):
    """The subscription's limit is reached."""

    error_class = "quota"


class PreemptedError(TargetError):
    """The platform took the machine back."""

    error_class = "preempted"
