"""What the blob service refuses, and Azurite lets through.

Error codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.standins.limits import VERSIONS, Limits
from tests.standins.wire import Answer, RefusedError, Request

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata#container-names
_CONTAINER: Final = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web|\$logs")
# …#resource-names: control characters and what is no character of Unicode
_NOT_IN_NAMES: Final = re.compile("[\x00-\x1f\x7f-\x9f\ue000\ufffe\uffff]")
# …#metadata-names: C# identifiers
_METADATA: Final = re.compile(r"[^\W\d]\w*")
_BLOCK: Final = re.compile(rb"<(?:Latest|Committed|Uncommitted)>")


@dataclass
class BlobRules:
    """Keeps in mind what the rules need: a blob's kind, how many blocks it has if it is appended to, how long the ids of its blocks are."""

    limits: Limits
    _appended: dict[str, int] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)
    _kinds: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, request: Request) -> None:
        """See that the service would take the request.

        Raises:
            RefusedError: if it would not.
        """
        version = request.headers.of("x-ms-version") or request.query.get("sv", "")
        if version and version not in VERSIONS:
            raise RefusedError(
                400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
            )
        self._check_names(request.resource)
        self._check_metadata(request)
        what = request.query.get("comp", "")
        self._check_kind(request, what)
        if what == "list" and not request.query.get("maxresults", "1").isdecimal():
            raise RefusedError(
                400, "OutOfRangeQueryParameterValue", "A query parameter is outside the permissible range."
            )
        if what == "block":
            self._check_block(request)
        elif what == "blocklist" and len(_BLOCK.findall(request.body)) > self.limits.blocks:
            raise RefusedError(400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.")
        elif what == "appendblock":
            self._check_append(request, version)

    def saw(self, request: Request, answer: Answer) -> None:
        """Keep in mind what was done."""
        if not request.writes or answer.status >= 300:
            return
        what = request.query.get("comp", "")
        with self._lock:
            if what == "block":
                self._ids[request.resource] = _id_length(request)
            elif what == "appendblock":
                self._appended[request.resource] = self._appended.get(request.resource, 0) + 1
            elif what in {"", "blocklist"}:
                self._ids.pop(request.resource, None)
                self._appended.pop(request.resource, None)
                self._kinds.pop(request.resource, None)
                if kind := self._kind_of(request, what):
                    self._kinds[request.resource] = kind

    def _kind_of(self, request: Request, what: str) -> str:
        """The kind of blob that a request would make."""
        if what in {"block", "blocklist"}:
            return "BlockBlob"
        if what or request.method != "PUT":
            return ""
        if source := request.headers.of("x-ms-copy-source"):
            return self._kinds.get(unquote(urlsplit(source).path).lstrip("/").partition("/")[2], "")
        return request.headers.of("x-ms-blob-type")

    def _check_kind(self, request: Request, what: str) -> None:
        # https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
        if request.method != "PUT" or (not what and request.headers.of("if-none-match") == "*"):
            return  # the service says that it exists
        if "sig" in request.query and "w" not in request.query.get("sp", ""):
            return  # a link that may not overwrite hears that first
        wanted, is_now = self._kind_of(request, what), self._kinds.get(request.resource, "")
        if wanted and is_now and wanted != is_now:
            raise RefusedError(409, "InvalidBlobType", "The blob type is invalid for this operation.")

    def _check_names(self, resource: str) -> None:
        container, slash, name = resource.partition("/")
        if container and not 3 <= len(container) <= 63:
            raise RefusedError(
                400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."
            )
        if container and not _CONTAINER.fullmatch(container):
            raise RefusedError(400, "InvalidResourceName", "The specifed resource name contains invalid characters.")
        if not slash:
            return
        if not 1 <= len(name) <= self.limits.blob_name or name.count("/") >= self.limits.blob_segments:
            raise RefusedError(
                400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."
            )
        if _NOT_IN_NAMES.search(name):
            raise RefusedError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")

    def _check_metadata(self, request: Request) -> None:
        given = {name[10:]: value for name, value in request.headers.items() if name.startswith("x-ms-meta-")}
        if any(not _METADATA.fullmatch(name) for name in given):
            raise RefusedError(
                400, "InvalidMetadata", "The metadata specified is invalid. It has characters that are not permitted."
            )
        if sum(len(name) + len(value) for name, value in given.items()) > self.limits.metadata_bytes:
            raise RefusedError(
                400, "MetadataTooLarge", "The metadata specified exceeds the maximum permissible limit (8KB)."
            )

    def _check_block(self, request: Request) -> None:
        # https://learn.microsoft.com/rest/api/storageservices/put-block#uri-parameters
        length = _id_length(request)
        if not 1 <= length <= self.limits.block_id_bytes:
            raise RefusedError(400, "OutOfRangeInput", "The block id is longer than 64 bytes.")
        if self._ids.get(request.resource, length) != length:
            raise RefusedError(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")

    def _check_append(self, request: Request, version: str) -> None:
        most = self.limits.append_bytes if version >= "2022-11-02" else self.limits.append_bytes_before_2022
        if len(request.body) > most:
            raise RefusedError(
                413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
            )
        if self._appended.get(request.resource, 0) >= self.limits.append_blocks:
            raise RefusedError(
                409,
                "BlockCountExceedsLimit",
                "The committed block count cannot exceed the maximum limit of 50,000 blocks.",
            )


def _id_length(request: Request) -> int:
    try:
        return len(base64.b64decode(request.query.get("blockid", ""), validate=True))
    except binascii.Error:
        raise RefusedError(
            400, "InvalidQueryParameterValue", "Value for one of the query parameters is invalid."
        ) from None
