"""What is done to the blobs of an attempt, by its links: each can be repeated after a lost reply, and tells its own earlier work.

Blob Storage's REST protocol: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

import base64
from typing import IO, Callable, Dict, List, Optional
from urllib.parse import quote

from .service import Service
from .wire import Answer, Lost, Persistence, Request, Trouble, send

BLOCK = 8 << 20
"""Bytes of a file that are sent at a time, and held in memory."""
MOST_BLOCKS = 50_000
"""https://learn.microsoft.com/azure/storage/blobs/scalability-targets"""
APPENDED = 4 << 20
"""Bytes that are appended at a time: what every version of the protocol takes."""

_VERSION = "2021-12-02"
_WORDS = {"PUT": "writing", "GET": "reading", "HEAD": "looking at"}
_THERE = ("UnauthorizedBlobOverwrite", "AuthorizationPermissionMismatch")
"""What Blob Storage, and what Azurite answers by 403 to who may create and not replace, if the blob is there."""


class Full(Trouble):
    """Nothing more can be appended: a blob of this kind has at most 50,000 blocks."""


class Changed(Trouble):
    """A blob is not the version that was meant."""


class Blobs:
    """By name, as :mod:`runyard.attempts.grants` has them. For one thread at a time."""

    def __init__(self, service: Service, persistence: Persistence) -> None:
        self._service = service
        self._persist = persistence

    def create(self, name: str, data: bytes) -> bytes:
        """Write a blob if it is not there.

        Returns:
            What is there then: ``data``, also if an earlier sending wrote it and its reply was lost, or what another wrote.

        Raises:
            Trouble: if neither can be known.
            Refused: if the attempt is over.
        """
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        answer = self._send(name, "create", "PUT", headers, data)
        if answer.status == 201:
            return data
        if answer.status in (409, 412) or (answer.status == 403 and answer.code in _THERE):
            there = self._send(name, "create", "GET", {})
            if there.status == 200:
                return there.body
        raise _trouble("writing " + name, answer)

    def append(self, name: str, offset: int, data: bytes) -> int:
        """Add to a blob that has ``offset`` bytes; it is made if it is not there.

        Returns:
            How many bytes it has then.

        Raises:
            Full: if nothing more goes in.
            Trouble: if it has another number of bytes than we know of, or that cannot be known.
            Refused: if the attempt is over.
        """
        headers = {"x-ms-blob-condition-appendpos": str(offset)}
        for _ in range(3):
            answer = self._send(name, "append", "PUT", headers, data, "comp=appendblock")
            if answer.status == 201:
                return offset + len(data)
            if answer.status == 404:
                self._begin(name)
            elif answer.status == 412:
                size = self._size(name)
                if size == offset + len(data):
                    return size  # an earlier sending did it
                raise Trouble("%s has %d bytes where %d were written: another writes it too" % (name, size, offset))
            elif answer.code == "BlockCountExceedsLimit":
                raise Full("%s takes no more: it has as many blocks as a blob can have" % name)
            else:
                break
        raise _trouble("adding to " + name, answer)

    def replace(self, name: str, stream: IO[bytes], size: int) -> None:
        """Write ``size`` bytes of a stream, whatever is there.

        Raises:
            Trouble: if it cannot be written.
            Refused: if the attempt is over.
            OSError: if the stream cannot be read.
        """
        if size <= BLOCK:
            self._expect(name, {"x-ms-blob-type": "BlockBlob"}, stream.read(size), "")
            return
        count = -(-size // BLOCK)
        if count > MOST_BLOCKS:
            raise Trouble("%s has %d bytes; at most %d can be stored" % (name, size, BLOCK * MOST_BLOCKS))
        idents: List[str] = []
        for index in range(count):
            ident = base64.b64encode(b"%08d" % index).decode()
            self._expect(name, {}, stream.read(BLOCK), "comp=block&blockid=" + quote(ident, safe=""))
            idents.append(ident)
        listed = "".join("<Latest>%s</Latest>" % ident for ident in idents)
        document = '<?xml version="1.0" encoding="utf-8"?><BlockList>%s</BlockList>' % listed
        self._expect(name, {}, document.encode(), "comp=blocklist")

    def download(self, name: str, sink: IO[bytes]) -> None:
        """Read a blob into a file that is empty, on from where a reply broke off; the version that the link is for.

        Raises:
            Changed: if it is not that version any more.
            Trouble: if it cannot be read.
            Refused: if the attempt is over.
            OSError: if the file cannot be written.
        """
        etag = self._service.link(name, "read").etag

        def read(request: Request) -> Answer:
            begun = sink.tell()
            if begun:
                request.headers["Range"] = "bytes=%d-" % begun
            answer = send(request, sink)
            if begun and answer.status == 200:
                sink.seek(0)
                sink.truncate()
                raise Lost("the whole was sent again")
            return answer

        headers = {"If-Match": etag if etag.startswith('"') else '"%s"' % etag} if etag else {}
        answer = self._send(name, "read", "GET", headers, read=read)
        if answer.status == 412:
            raise Changed("the snapshot changed since the run was accepted; submit it again")
        if answer.status == 416 and sink.tell():
            return  # all had come, and only the end of the reply was lost
        if answer.status not in (200, 206):
            raise _trouble("reading " + name, answer)

    def _begin(self, name: str) -> None:
        headers = {"x-ms-blob-type": "AppendBlob", "If-None-Match": "*"}
        answer = self._send(name, "append", "PUT", headers, b"")
        if answer.status not in (201, 409, 412) and not (answer.status == 403 and answer.code in _THERE):
            raise _trouble("making " + name, answer)

    def _size(self, name: str) -> int:
        answer = self._send(name, "append", "HEAD", {})
        if answer.status != 200 or not answer.headers.get("content-length", "").isdigit():
            raise _trouble("looking at " + name, answer)
        return int(answer.headers["content-length"])

    def _expect(self, name: str, headers: Dict[str, str], data: bytes, query: str) -> None:
        answer = self._send(name, "replace", "PUT", headers, data, query)
        if answer.status != 201:
            raise _trouble("writing " + name, answer)

    def _send(
        self,
        name: str,
        use: str,
        method: str,
        headers: Dict[str, str],
        body: Optional[bytes] = None,
        query: str = "",
        read: Optional[Callable[[Request], Answer]] = None,
    ) -> Answer:
        """The answer; with a new link, if the one at hand was not taken."""

        def make() -> Request:
            link = self._service.link(name, use)
            url = link.url
            if query:
                url += ("&" if "?" in url else "?") + query
            sent = {"x-ms-version": _VERSION}
            sent.update(headers)
            if link.own:
                sent.update(self._service.authorization())
            if body is not None:
                sent["Content-Length"] = str(len(body))
            return Request(method, url, sent, body)

        answer = self._persist(make, "%s %s" % (_WORDS[method], name), read)
        if answer.status in (401, 403) and answer.code not in _THERE:
            self._service.drop(name, use)
            answer = self._persist(make, "%s %s" % (_WORDS[method], name), read)
        return answer


def _trouble(what: str, answer: Answer) -> Trouble:
    return Trouble("%s failed: status %d %s" % (what, answer.status, answer.code))
