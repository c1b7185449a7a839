"""Blobs that come in parts: uncommitted blocks of a hidden blob, that the service copies to its place when all are proven.

The hidden blob lies in a container of its own, so that nobody lists it and no event tells of it. Its blocks may be committed
by a commit that did not come to its end: they count as kept all the same, and the next commit goes on from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobServiceClient

from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.ports.blobs import BlobInfo
from runyard.runs.identity import plain_etag
from runyard.stores.azure import names
from runyard.stores.azure.blob_calls import Place, absent, at, client_of, new_operation, only, our_own, written
from runyard.stores.azure.blob_copy import copied
from runyard.stores.azure.blob_put import OTHER_KIND
from runyard.stores.azure.edge import code_of
from runyard.stores.parts import check_part, check_parts, wrong_digest

_ID: Final = re.compile(r"part-(\d{8})")


class Parts:
    """Keeps parts, and makes blobs of them."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def stage(self, where: Place, index: int, data: bytes) -> None:
        """Keep a part; see the port."""
        check_part(index, len(data))
        with at(where, "keeping a part of"):
            client_of(self._service, _hidden(where)).stage_block(f"part-{index:08d}", data, length=len(data))

    def staged(self, where: Place) -> Mapping[int, int]:
        """The parts that are kept; see the port."""
        return self._kept(where)

    def commit(self, where: Place, parts: int, *, sha256: str | None, create_only: bool) -> BlobInfo:
        """Make a blob of its parts; see the port."""
        kept = self._kept(where)
        check_parts(where.container, where.name, parts, kept)
        size = sum(kept[index] for index in range(parts))
        etag = self._joined(where, parts)
        if sha256 is not None and self._digest(where, etag) != sha256:
            self._forget(where, etag)
            raise wrong_digest(where.container, where.name)
        operation = new_operation()
        try:
            answer = copied(
                self._service, _hidden(where), where, absent() if create_only else {}, etag=etag, metadata=operation
            )  # fmt: skip
            info = written(where, answer, size)
        except NotFoundError:
            raise _dropped(where) from None
        except ConfigError as error:
            if code_of(error.__cause__ or error) != OTHER_KIND:
                raise
            raise ConflictError(f"{where} is appended to, and parts cannot take its place; delete it first") from error
        except ConflictError as error:
            own = our_own(self._service, where, operation)
            if own is None:
                raise self._refused(where, etag, error, create_only=create_only) from error
            info = own
        self._forget(where, etag)
        return info

    def drop(self, where: Place) -> None:
        """Drop the parts that are kept; repeatable. Blocks go when their blob gets another list of them."""
        if not self._kept(where):
            return
        hidden = client_of(self._service, _hidden(where))
        with at(where, "dropping the parts of"):
            answer = hidden.commit_block_list([])
        self._forget(where, plain_etag(str(answer["etag"])))

    def _kept(self, where: Place) -> dict[int, int]:
        try:
            with at(where, "looking for parts of"):
                committed, waiting = client_of(self._service, _hidden(where)).get_block_list("all")
        except NotFoundError:
            return {}
        return {
            int(found[1]): int(block.size) for block in (*committed, *waiting) if (found := _ID.fullmatch(block.id))
        }

    def _joined(self, where: Place, parts: int) -> str:
        """Commit the list under the hidden name; returns its ETag."""
        hidden = client_of(self._service, _hidden(where))
        blocks = [BlobBlock(f"part-{index:08d}") for index in range(parts)]
        try:
            with at(where, "joining the parts of"):
                return plain_etag(str(hidden.commit_block_list(blocks)["etag"]))
        except Exception as error:
            if code_of(error.__cause__ or error) == "InvalidBlockList":  # dropped by another commit of the same parts
                raise _dropped(where) from None
            raise

    def _digest(self, where: Place, etag: str) -> str:
        try:
            with at(where, "proving the parts of"):
                proven = hashlib.sha256()
                for piece in client_of(self._service, _hidden(where)).download_blob(**only(etag)).chunks():
                    proven.update(piece)
                return proven.hexdigest()
        except (ConflictError, NotFoundError):
            raise _dropped(where) from None

    def _refused(self, where: Place, etag: str, error: ConflictError, *, create_only: bool) -> Exception:
        """Why the copy was refused: the parts are another's by now, or there is a blob."""
        if code_of(error.__cause__ or error) in {"SourceConditionNotMet", "CannotVerifyCopySource"}:
            return _dropped(where)
        if create_only:
            self._forget(where, etag)
            return ConflictError(f"{where} exists already")
        return error

    def _forget(self, where: Place, etag: str) -> None:
        """Delete the hidden blob, if it is still ours."""
        try:
            client_of(self._service, _hidden(where)).delete_blob(**only(etag))
        except HttpResponseError as error:
            if error.status_code not in {404, 412}:
                with at(where, "dropping the parts of"):
                    raise


def _hidden(where: Place) -> Place:
    """Where the parts of a blob are."""
    return Place(names.STAGING, f"parts-{hashlib.sha256(str(where).encode()).hexdigest()}")


def _dropped(where: Place) -> NotFoundError:
    return NotFoundError(f"the parts of {where} were dropped meanwhile; send them again")
