"""Serves the ASGI application on the loopback address, in a thread with its own event loop."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import Any, Final

import uvicorn

from runyard.errors import ConfigError, RunyardError

ADDRESS: Final = "127.0.0.1"
"""Loopback only: whoever wants more puts a proxy with TLS in front."""
PATIENCE: Final = 30.0
"""Seconds that the application may take to start."""


class _Server(uvicorn.Server):
    """Says when it is up, and leaves signals to the host."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        except SystemExit:  # how some versions say that the application did not start
            self.should_exit = True
        self.settled.set()


class WebServer:
    """One ASGI application on one port."""

    def __init__(self, asgi: Any, *, port: int, grace: float = 5.0) -> None:
        """Bind the port, so that nobody else can have it; serving begins with :meth:`start`.

        Args:
            asgi: The application.
            port: 0 for any that is free.
            grace: Seconds that requests in flight have at the stop.

        Raises:
            ConfigError: if the port is taken or not allowed.
        """
        self._socket = _bind(port)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            asgi,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=max(1, round(grace)),
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"http://{ADDRESS}:{self.port}"

    def start(self) -> None:
        """Serve.

        Raises:
            RunyardError: if the application does not start.
        """
        self._thread.start()
        if not self._server.settled.wait(PATIENCE) or not self._server.started:
            self.stop(time.monotonic() + 1.0)
            raise RunyardError("the HTTP application did not start; the log says why")

    def ask_stop(self) -> None:
        """Take no more connections; requests in flight go on."""
        self._server.should_exit = True

    def stop(self, deadline: float) -> None:
        """Wait for the requests in flight until ``deadline`` (``time.monotonic``)."""
        self.ask_stop()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread.is_alive():
                self._server.force_exit = True
                self._thread.join(1.0)
        self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._server.settled.set()


def _bind(port: int) -> socket.socket:
    # The protocol by its number: asyncio turns Nagle off only for a socket that says TCP, and answers took 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} is in use by another program; choose another with --port, or --port 0 for any free one"
            ) from None
        why = error.strerror if isinstance(error, OSError) else "it is 0 to 65535"
        raise ConfigError(f"port {port} cannot be used ({why}); choose another with --port") from None
    return listener
