"""From the errors of Service Bus' SDK to ours: the table of types of :mod:`runyard.stores.azure.edge`, and more rows.

https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-exceptions-latest
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from azure.servicebus import exceptions as bus

from runyard.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    LockLostError,
    NotFoundError,
    RunyardError,
    StorageFullError,
    ThrottledError,
    TransientError,
)
from runyard.stores.azure.edge import BY_TYPE, Make, translate

BUSY_SECONDS: Final = 10.0
"""How long to wait when the service is busy: it gives no time of its own.
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-throttling"""


def _plain(form: type[RunyardError]) -> Make:
    return lambda message, _: form(message)


def _busy(message: str, _: float | None) -> RunyardError:
    return ThrottledError(message, BUSY_SECONDS)


BY_BUS_TYPE: Final[Mapping[type[BaseException], Make]] = {
    **BY_TYPE,
    bus.ServiceBusAuthenticationError: _plain(AuthError),
    bus.ServiceBusAuthorizationError: _plain(AuthError),
    bus.ServiceBusConnectionError: _plain(TransientError),
    bus.ServiceBusCommunicationError: _plain(TransientError),
    bus.OperationTimeoutError: _plain(TransientError),
    bus.ServiceBusServerBusyError: _busy,
    bus.ServiceBusQuotaExceededError: _plain(StorageFullError),
    bus.MessageSizeExceededError: _plain(ConfigError),
    bus.MessageLockLostError: _plain(LockLostError),
    bus.SessionLockLostError: _plain(LockLostError),
    bus.MessageAlreadySettled: _plain(LockLostError),
    bus.AutoLockRenewFailed: _plain(LockLostError),
    bus.AutoLockRenewTimeout: _plain(LockLostError),
    bus.MessageNotFoundError: _plain(NotFoundError),
    bus.MessagingEntityNotFoundError: _plain(NotFoundError),
    bus.MessagingEntityDisabledError: _plain(TransientError),
    bus.MessagingEntityAlreadyExistsError: _plain(ConflictError),
    bus.SessionCannotBeLockedError: _plain(ConflictError),
    bus.ServiceBusError: _plain(TransientError),
}
"""By the error's type, the most special that fits."""

BY_CONDITION: Final[Mapping[str, Make]] = {
    "com.microsoft:argument-error": _plain(ConfigError),
    "com.microsoft:argument-out-of-range": _plain(ConfigError),
    "amqp:not-implemented": _plain(ConfigError),
    "amqp:not-allowed": _plain(ConfigError),
    "amqp:invalid-field": _plain(ConfigError),
    "amqp:unauthorized-access": _plain(AuthError),
}
"""By the AMQP condition, where the SDK has no class for it and raises the base class."""

_CONDITION: Final = re.compile(r"Error condition: ([\w.]+:[\w:-]+)")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the SDK raises inside the block into ours; ``what`` was being done, for the sentence."""
    try:
        yield
    except tuple(BY_BUS_TYPE) as error:
        raise ours(error, what) from error


def ours(error: BaseException, what: str) -> RunyardError:
    """The error of ours that says the same."""
    found = _CONDITION.search(str(error)) if type(error) is bus.ServiceBusError else None
    special = BY_CONDITION.get(found[1]) if found else None
    return translate(error, what, {**BY_BUS_TYPE, bus.ServiceBusError: special} if special else BY_BUS_TYPE)
