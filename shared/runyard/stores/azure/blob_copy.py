"""Copying within the account, by the service itself."""

from __future__ import annotations

import time
from typing import Any, Final

from azure.core import MatchConditions
from azure.storage.blob import BlobServiceClient

from runyard.errors import TransientError
from runyard.stores.azure.blob_calls import Place, at, client_of

PATIENCE: Final = 300.0
"""Seconds for a copy within an account; they are usually done at once."""
LOOK: Final = 0.5


def copied(service: BlobServiceClient, source: Place, to: Place, conditions: dict[str, Any], *, etag: str | None = None,
           metadata: dict[str, str] | None = None) -> Any:  # fmt: skip
    """Copy a blob with its kind, if the conditions of the place to write hold; returns the SDK's answer.

    A reader of ``to`` sees the old blob or the new one; while a large one is under way, none.
    Needs no signature: https://learn.microsoft.com/rest/api/storageservices/copy-blob#authorization

    Args:
        service: The account.
        source: What is copied.
        to: Its new place.
        conditions: Options of the SDK for the place to write.
        etag: The version of the source that is meant.
        metadata: Those of the copy; of the source, if none are given.

    Raises:
        ConflictError: if a condition does not hold.
    """
    blob = client_of(service, to)
    if etag is not None:
        conditions = {
            **conditions, "source_etag": f'"{etag}"', "source_match_condition": MatchConditions.IfNotModified,
        }  # fmt: skip
    with at(to, "copying to"):
        answer: dict[str, Any] = blob.start_copy_from_url(
            client_of(service, source).url, metadata=metadata, **conditions
        )
        until = time.monotonic() + PATIENCE
        while answer["copy_status"] == "pending":
            if time.monotonic() > until:
                blob.abort_copy(str(answer["copy_id"]))
                raise TransientError(f"copying to {to} took longer than {PATIENCE:.0f} s; try again")
            time.sleep(LOOK)
            found = blob.get_blob_properties()
            answer = {
                **answer,
                "copy_status": found.copy.status,
                "etag": found.etag,
                "last_modified": found.last_modified,
            }
    if answer["copy_status"] != "success":
        raise TransientError(f"copying to {to} did not succeed ({answer['copy_status']}); try again")
    return answer
