"""The service, as the holder of an attempt's token sees it."""

import json
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .wire import Answer, Persistence, Request, Trouble

_SAFE = 0.7
"""The part of a link's or a token's life after which another is asked for."""
_HOUR = 3600.0
"""Seconds after which a token is renewed, however long it lives: what is left of it is how long a service may be away."""

Wanted = Tuple[str, str]
"""Name and use of a blob."""


class Refused(Exception):  # noqa: N818 - no error: the attempt is over, or is another's
    """The token is worth nothing (any more); one sentence."""


class Link(NamedTuple):
    """An address for one blob."""

    url: str
    own: bool
    """Whether it is the service's own, which wants the token too; any other must not see it."""
    etag: str
    until: float
    """Until when it is used, by this process' clock."""

    def __repr__(self) -> str:
        return "Link()"


class Service:
    """Trades, renews, reads the job. For one thread at a time."""

    def __init__(
        self, address: str, token: str, persistence: Persistence, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.cancel_requested = False
        self.run = ""
        self.attempt = 0
        self._address = address.rstrip("/")
        self._token = token
        self._persist = persistence
        self._now = now
        self._links: Dict[Wanted, Link] = {}
        self._token_until: Optional[float] = None
        """Until when the token is used; ``None``: how long it lives is not known yet."""

    def fetch(self, wanted: List[Wanted]) -> None:
        """Have links for these.

        Raises:
            Refused: if the attempt is over.
            Trouble: if there are none.
        """
        files = [{"name": name, "use": use} for name, use in wanted]
        begun = self._now()
        found = self._call("POST", "links", {"files": files}, "trading the token for links")
        until = begun + _SAFE * float(found["seconds"])
        self.run, self.attempt = str(found["runId"]), int(found["attempt"])
        for link in found["links"]:
            url = self._address + link["url"] if link["own"] else str(link["url"])
            self._links[link["name"], link["use"]] = Link(url, bool(link["own"]), str(link["etag"]), until)

    def link(self, name: str, use: str) -> Link:
        """A link that is good for some time yet; see :meth:`fetch` for what is raised."""
        found = self._links.get((name, use))
        if found is None or self._now() >= found.until:
            self.renew()
            self.fetch([(name, use)])
            found = self._links[name, use]
        return found

    def drop(self, name: str, use: str) -> None:
        """Forget a link that was not taken: the next one is new."""
        self._links.pop((name, use), None)

    def authorization(self) -> Dict[str, str]:
        """The header that shows the token."""
        return {"Authorization": "Bearer " + self._token}

    def renew(self) -> None:
        """Have a token that is good for some time yet; see :meth:`fetch` for what is raised."""
        if self._token_until is None or self._now() >= self._token_until:
            begun = self._now()
            found = self._call("POST", "token", None, "renewing the token")
            self._token = str(found["token"])
            self._token_until = begun + min(_SAFE * float(found["seconds"]), _HOUR)

    def ask(self) -> bool:
        """Whether the script is to be ended, asked just now; see :meth:`fetch` for what is raised."""
        self.fetch([])
        return self.cancel_requested

    def job(self) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """The job's record, and its secrets by JSON pointers; see :meth:`fetch` for what is raised."""
        found = self._call("GET", "job", None, "reading the job")
        return found["record"], found["secrets"]

    def _call(self, method: str, path: str, document: Any, what: str) -> Dict[str, Any]:
        def make() -> Request:
            headers = self.authorization()
            body = None
            if document is not None:
                headers["Content-Type"] = "application/json"
                body = json.dumps(document).encode()
            elif method == "POST":
                headers["Content-Length"] = "0"
            return Request(method, "%s/api/attempts/%s" % (self._address, path), headers, body)

        answer = self._persist(make, what)
        if answer.status in (401, 403):
            raise Refused(_said(answer))
        if answer.status != 200:
            raise Trouble("%s failed: %s" % (what, _said(answer)))
        try:
            found = json.loads(answer.body.decode())
            self.cancel_requested = bool(found["cancelRequested"])
        except (ValueError, KeyError, TypeError):
            raise Trouble("%s failed: the service's answer cannot be read" % what) from None
        return dict(found)


def _said(answer: Answer) -> str:
    """The service's own sentence: it holds no secrets."""
    try:
        return str(json.loads(answer.body.decode())["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return "status %d" % answer.status
