"""What the table service refuses, and Azurite lets through.

Error codes: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tests.standins.batches import Operation, operations_of
from tests.standins.limits import VERSIONS, Limits
from tests.standins.wire import RefusedError, Request

# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#table-names
_TABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
# …#characters-disallowed-in-key-fields
_NOT_IN_KEYS: Final = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
# …#property-limitations: names are C# identifiers
_NAME: Final = re.compile(r"[^\W\d]\w*")
# …#property-types
_TYPES: Final = {
    "Edm.Binary", "Edm.Boolean", "Edm.DateTime", "Edm.Double", "Edm.Guid", "Edm.Int32", "Edm.Int64", "Edm.String",
}  # fmt: skip
_SYSTEM: Final = {"PartitionKey", "RowKey", "Timestamp"}
_COMPARISON: Final = re.compile(r"'(?:[^']|'')*'|\b(eq|ne|gt|ge|lt|le)\b")
# Bytes of a value that has always the same: https://learn.microsoft.com/archive/blogs/avkashchauhan/how-the-size-of-an-entity-is-caclulated-in-windows-azure-table-storage
_FIXED: Final = {"Edm.Boolean": 1, "Edm.DateTime": 8, "Edm.Double": 8, "Edm.Guid": 16, "Edm.Int32": 4, "Edm.Int64": 8}


def check(request: Request, limits: Limits) -> None:
    """See that the service would take the request.

    Raises:
        RefusedError: if it would not.
    """
    version = request.headers.of("x-ms-version")
    if version and version not in VERSIONS:
        raise RefusedError(
            400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
        )
    if request.resource == "$batch":
        _check_batch(request, limits)
    elif len(request.body) > limits.batch_bytes:
        raise RefusedError(
            413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
        )
    if request.resource == "Tables" and request.method == "POST":
        _check_table(re.sub(rb'.*"TableName"\s*:\s*"([^"]*)".*', rb"\1", request.body, flags=re.DOTALL).decode())
    _check_query(request, limits)
    for index, operation in enumerate(operations_of(request)):
        try:
            _check_operation(operation, limits)
        except RefusedError as error:
            if request.resource != "$batch":
                raise
            raise RefusedError(error.status, error.code, f"{index}:{error.message}") from None


def _check_batch(request: Request, limits: Limits) -> None:
    # https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions#requirements-for-entity-group-transactions
    if len(request.body) > limits.batch_bytes:
        raise RefusedError(
            413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
        )
    operations = operations_of(request)
    if len(operations) > limits.batch_operations:
        raise RefusedError(
            400, "InvalidInput", f"{limits.batch_operations}:The batch request operation exceeds the maximum 100 changes per change set."
        )  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for index, operation in enumerate(operations):
        if (operation.table, operation.partition) != (operations[0].table, operations[0].partition):
            raise RefusedError(
                400, "CommandsInBatchActOnDifferentPartitions", f"{index}:All commands in a batch must operate on same entity group."
            )  # fmt: skip
        if (operation.table, operation.key) in seen:
            raise RefusedError(
                400, "InvalidDuplicateRow", f"{index}:The batch request contains multiple changes with same row key."
            )
        seen.add((operation.table, operation.key))


def _check_table(name: str) -> None:
    if not 3 <= len(name) <= 63:
        raise RefusedError(
            400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."
        )
    if not _TABLE.fullmatch(name) or name.lower() == "tables":
        raise RefusedError(400, "InvalidResourceName", "The specifed resource name contains invalid characters.")


def _check_query(request: Request, limits: Limits) -> None:
    top = request.query.get("$top", "")
    if top and not (top.isdecimal() and 1 <= int(top) <= limits.page):
        raise RefusedError(400, "InvalidInput", "The query parameter $top is not within the permissible range.")
    comparisons = [found for found in _COMPARISON.findall(request.query.get("$filter", "")) if found]
    if len(comparisons) > limits.filter_comparisons:
        raise RefusedError(400, "InvalidInput", "The requested operation has too many comparisons in its $filter.")


def _check_operation(operation: Operation, limits: Limits) -> None:
    _check_table(operation.table.rstrip("()"))
    for key in (operation.partition, operation.key):
        if _NOT_IN_KEYS.search(key):
            raise RefusedError(400, "OutOfRangeInput", "The key contains characters that are not allowed in it.")
        if _units(key) > limits.key_units:
            raise RefusedError(400, "KeyValueTooLarge", "The key is larger than the maximum allowed size (1KB).")
    if operation.properties is not None:
        _check_entity(operation, operation.properties, limits)


def _check_entity(operation: Operation, entity: Mapping[str, Any], limits: Limits) -> None:
    names = [name for name in entity if "odata." not in name and name not in _SYSTEM]
    if len(names) > limits.properties:
        raise RefusedError(400, "TooManyProperties", "The entity contains more properties than allowed.")
    size = 4 + 2 * (_units(operation.partition) + _units(operation.key))
    for name in names:
        if len(name) > limits.property_name:
            raise RefusedError(
                400, "PropertyNameTooLong", "The property name exceeds the maximum allowed length (255)."
            )
        if not _NAME.fullmatch(name):
            raise RefusedError(400, "PropertyNameInvalid", "The property name is invalid.")
        value = _size(entity[name], entity.get(f"{name}@odata.type"))
        if value > limits.property_bytes:
            raise RefusedError(
                400, "PropertyValueTooLarge", "The property value exceeds the maximum allowed size (64KB)."
            )
        size += 8 + 2 * _units(name) + value
    if size > limits.entity_bytes:
        raise RefusedError(400, "EntityTooLarge", "The entity is larger than the maximum allowed size (1MB).")


def _size(value: object, form: object) -> int:
    """Bytes of a value, as the service counts them; the type as it is said or as JSON shows it."""
    wrong = RefusedError(400, "InvalidInput", "An error occurred while processing this request.")
    if form is not None and form not in _TYPES:
        raise wrong
    if isinstance(value, dict | list):
        raise wrong
    if form == "Edm.Binary":
        text = str(value)
        return len(text) * 3 // 4 - text[-2:].count("=")
    if form in _FIXED:
        return _FIXED[str(form)]
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int):
        if not -(2**31) <= value < 2**31:  # a number without a type is an Int32
            raise wrong
        return 4
    return 8 if isinstance(value, float) else 2 * _units(str(value))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
