"""The client: one object for everything the service does."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from runyard.api.shapes import CheckShape, DrainShape, DropsShape, PruneShape, RunDetails, SweptShape
from runyard.sdk.connection import TIMEOUT, Connection
from runyard.sdk.parts import Computes, Queues, Secrets
from runyard.sdk.root import default_root
from runyard.sdk.runs import Runs
from runyard.sdk.schedules import Schedules
from runyard.sdk.subscriptions import Subscriptions
from runyard.sdk.webhooks import Webhooks

if TYPE_CHECKING:
    import httpx

    from runyard.sdk.submitting import Asked, Options, Posted, Progress
    from runyard.services import Services


class Client:
    """Talks to a service; use it as a context manager, or call :meth:`close`.

    Its parts are ``runs``, ``computes``, ``webhooks``, ``subscriptions``, ``schedules``, ``secrets`` and ``queues``.
    """

    def __init__(
        self, http: httpx.Client, *, url: str = "", on_close: Callable[[], None] | None = None, embedded: bool = False
    ) -> None:
        """Make a client of an httpx client; :meth:`connect` is the usual way."""
        self._connection = Connection(http, patient=not embedded)  # without a host nothing becomes less by waiting
        self._on_close = on_close
        self.url = url
        """Where the service is; empty in-process."""
        self.embedded = embedded
        """Whether no host runs: what is asked for is written down, and carried out when one does."""
        self.runs = Runs(self._connection)
        self.computes = Computes(self._connection)
        self.webhooks = Webhooks(self._connection)
        self.schedules = Schedules(self._connection)
        self.secrets = Secrets(self._connection)
        self.queues = Queues(self._connection)
        self.subscriptions = Subscriptions(self._connection)

    @classmethod
    def connect(cls, root: Path | str | None = None, *, caller: str = "") -> Client:
        """Talk to the host that serves ``root`` (``$RUNYARD_ROOT``, else ``~/.runyard``), else in-process.

        Args:
            root: The root folder.
            caller: Who asks, for the history of runs; the user's name when not given.

        Raises:
            ConfigError: if there is no host and the root cannot be opened.
        """
        from runyard.host import running_host  # noqa: PLC0415 - `import runyard` stays light

        folder = Path(root).expanduser() if root is not None else default_root()
        host = running_host(folder)
        if host is not None and host.url:
            return cls.at(host.url, host.token, caller=caller)
        from runyard.services import open_embedded  # noqa: PLC0415 - only without a host

        return cls.over(open_embedded(folder), caller=caller)

    @classmethod
    def at(cls, url: str, token: str, *, caller: str = "") -> Client:
        """Talk to the service at ``url`` with a token."""
        import httpx  # noqa: PLC0415 - 70 ms

        # Proxies of the environment are not for loopback, and must not see the token.
        http = httpx.Client(base_url=url, headers=_headers(token, caller), timeout=TIMEOUT, trust_env=False)
        return cls(http, url=url)

    @classmethod
    def over(cls, services: Services, *, caller: str = "") -> Client:
        """Drive the handlers over ``services`` in-process; closing the client closes them too."""
        import httpx  # noqa: PLC0415 - 70 ms

        from runyard.api.app import create_app  # noqa: PLC0415 - 300 ms, only without a host
        from runyard.sdk.transport import InProcessTransport  # noqa: PLC0415

        token = secrets.token_urlsafe(32)
        transport = InProcessTransport(create_app(lambda: services, lambda: token))
        http = httpx.Client(
            transport=transport, base_url="http://localhost", headers=_headers(token, caller), timeout=TIMEOUT
        )
        return cls(http, on_close=services.close, embedded=True)

    def submit(
        self,
        source: Path | str,
        *,
        experiment: str | None = None,
        key: str | None = None,
        progress: Progress | None = None,
        **options: Unpack[Options],
    ) -> RunDetails:
        """Ask for a run, and return it at once.

        Args:
            source: A directory, a zip, or ``container/name`` of a snapshot that the service has.
            experiment: The name that groups runs; the directory's or zip's own when not given.
            key: The request's identity: the same one finds the run that exists.
            progress: Told of packing and uploading.
            options: What else the submission says: ``runconfig``, ``target``, ``script``, ``arguments``,
                ``environment_variables``, ``secret_variables``, ``tags``, ``display_name``, ``priority``.

        Raises:
            ConfigError: if the service refuses it, or there is nothing at ``source``.
            TransientError: if the host does not answer; with a key the call may be repeated.
        """
        from runyard.sdk.submitting import Asked, experiment_name  # noqa: PLC0415

        asked = Asked(experiment=experiment or experiment_name(Path(source)), **options)
        return cast("RunDetails", self.submit_once(source, asked, key=key, progress=progress).run)

    def submit_once(
        self, source: Path | str, asked: Asked, *, key: str | None = None, progress: Progress | None = None
    ) -> Posted:
        """As :meth:`submit`; also tells whether this call made the run, or the key found one, and of the same snapshot."""
        from runyard.sdk.submitting import post_run  # noqa: PLC0415 - pathspec and what it brings

        return post_run(self._connection, source, asked, key=key, progress=progress)

    def upload(self, source: Path, *, progress: Progress | None = None) -> dict[str, str]:
        """Upload a directory or a zip for later submissions; returns the reference that they name."""
        from runyard.sdk.submitting import post_snapshot  # noqa: PLC0415

        return post_snapshot(self._connection, source, progress)

    def doctor(self) -> list[CheckShape]:
        """What a run needs, and how to mend what is missing."""
        return cast("list[CheckShape]", self._connection.get("/api/doctor")["checks"])

    def drain(self) -> DrainShape:
        """Start nothing new, until :meth:`undrain` or until a host starts; what runs goes on. Repeatable."""
        return cast("DrainShape", self._connection.post("/api/drain"))

    def drained(self) -> DrainShape:
        """How far a drain is."""
        return cast("DrainShape", self._connection.get("/api/drain"))

    def undrain(self) -> DrainShape:
        """End a drain."""
        return cast("DrainShape", self._connection.request("DELETE", "/api/drain").json())

    def sweep(
        self, *, since: str | None = None, everything: bool = False, dry_run: bool = False
    ) -> Iterator[SweptShape]:
        """Take the snapshots in the drop container that no run was made of, page by page; each page's account as it comes.

        Args:
            since: What came since then (ISO 8601, UTC without a zone); the container's start mark when not given.
            everything: Whatever its age.
            dry_run: Only tell.
        """
        body: dict[str, Any] = {"since": since, "all": everything, "dryRun": dry_run}
        after: str | None = None
        while True:
            page = cast("SweptShape", self._connection.post("/api/sweep", {**body, "after": after}))
            yield page
            after = page["next"]
            if after is None:
                return

    def drops(self) -> DropsShape:
        """Since when the drop container is watched, and how many snapshots raised no event."""
        return cast("DropsShape", self._connection.get("/api/sweep"))

    def prune(
        self,
        *,
        runs_older_than: float | None = None,
        logs_older_than: float | None = None,
        snapshots_older_than: float | None = None,
        keep: int | None = None,
        dry_run: bool = False,
    ) -> PruneShape:
        """Remove what is older than so many seconds."""
        asked = {
            "runsOlderThan": runs_older_than,
            "logsOlderThan": logs_older_than,
            "snapshotsOlderThan": snapshots_older_than,
            "keep": keep,
            "dryRun": dry_run,
        }
        body = {name: value for name, value in asked.items() if value is not None}
        return cast("PruneShape", self._connection.post("/api/prune", body))

    def version(self) -> dict[str, Any]:
        """Which version the service is."""
        return cast("dict[str, Any]", self._connection.get("/api/version"))

    def close(self) -> None:
        """Let go of everything; repeatable."""
        self._connection.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _headers(token: str, caller: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Runyard-Caller": caller or f"sdk:{user_name()}"}


def user_name() -> str:
    """The user's name, as far as it can be known."""
    try:
        return "".join(
            letter for letter in getpass.getuser() if letter.isascii() and (letter.isalnum() or letter in "_.-")
        )
    except (OSError, KeyError):
        return "unknown"
