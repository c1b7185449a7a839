"""Every error that the SDKs can raise has its place in a table."""

from __future__ import annotations

import inspect
from types import ModuleType

import azure.core.exceptions
import azure.data.tables
import azure.identity
import azure.servicebus.exceptions
import azure.storage.blob
import pytest
from azure.data.tables import TableErrorCode
from azure.storage.blob import StorageErrorCode

from runyard.errors import AuthError, ConfigError, LockLostError, NotFoundError, StorageFullError, ThrottledError
from runyard.stores.azure.bus_edge import BUSY_SECONDS, BY_BUS_TYPE, ours
from runyard.stores.azure.edge import BY_CODE, BY_TYPE

BY_BASE: dict[str, type[BaseException]] = {
    "AuthenticationRequiredError": azure.core.exceptions.ClientAuthenticationError,
    "CredentialUnavailableError": azure.core.exceptions.ClientAuthenticationError,
    "TableTransactionError": azure.core.exceptions.HttpResponseError,
    "RequestTooLargeError": azure.core.exceptions.HttpResponseError,
    "PartialBatchErrorException": azure.core.exceptions.HttpResponseError,
}
"""Those of single SDKs for which what they derive from says all: to import each SDK for the table would cost 0.2 s."""


def errors(module: ModuleType) -> list[type[BaseException]]:
    found = [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, BaseException)]
    assert found, module
    return [each for each in found if each.__module__.startswith("azure.")]


@pytest.mark.parametrize(
    "form",
    sorted(
        {
            each
            for module in (azure.core.exceptions, azure.data.tables, azure.identity, azure.storage.blob)
            for each in errors(module)
        },
        key=str,
    ),
    ids=str,
)
def test_every_error_of_the_sdks_is_mapped(form: type[BaseException]) -> None:
    assert form in BY_TYPE or issubclass(form, BY_BASE[form.__name__])


@pytest.mark.parametrize("form", errors(azure.servicebus.exceptions), ids=lambda each: each.__qualname__)
def test_every_error_of_service_bus_is_mapped(form: type[BaseException]) -> None:
    assert form in BY_BUS_TYPE


@pytest.mark.parametrize("code", sorted({each.value for each in (*TableErrorCode, *StorageErrorCode)}))
def test_every_code_of_the_services_is_mapped(code: str) -> None:
    assert code in BY_CODE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (azure.servicebus.exceptions.ServiceBusServerBusyError(), ThrottledError),
        (azure.servicebus.exceptions.ServiceBusQuotaExceededError(), StorageFullError),
        (azure.servicebus.exceptions.MessageLockLostError(), LockLostError),
        (azure.servicebus.exceptions.MessageAlreadySettled(action="complete"), LockLostError),
        (azure.servicebus.exceptions.MessagingEntityNotFoundError(), NotFoundError),
        (azure.servicebus.exceptions.ServiceBusAuthorizationError(), AuthError),
        (azure.servicebus.exceptions.ServiceBusError("no", condition=b"com.microsoft:argument-error"), ConfigError),
    ],
    ids=str,
)
def test_the_bus_errors_become_ours(error: Exception, expected: type[Exception]) -> None:
    made = ours(error, "sending to the queue q")
    assert type(made) is expected
    assert made.message.startswith("sending to the queue q: ")


def test_a_busy_service_is_left_alone_for_ten_seconds() -> None:
    made = ours(azure.servicebus.exceptions.ServiceBusServerBusyError(), "sending")
    assert isinstance(made, ThrottledError)
    assert made.retry_after == BUSY_SECONDS == 10.0
