"""The broker's wire: connections, links, deliveries. It runs in one thread of this process."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, cast

from proton import Condition, Delivery, Handler, Link, Message, Terminus, symbol
from proton.reactor import Container

from tests.standins.broker import faults as fault
from tests.standins.broker import management, rules
from tests.standins.broker.entities import Entity, Namespace
from tests.standins.broker.faults import Faults
from tests.standins.broker.rules import RefusedError

TICK: Final = 0.02
"""Seconds between looks at what time has brought: scheduled messages, locks that expired, queues that a test filled."""
_MANAGEMENT: Final = "/$management"
_CREDIT: Final = 500

log = logging.getLogger("tests.broker")
logging.getLogger("proton").setLevel(logging.CRITICAL)  # it takes a client that hangs up for an error


class _Client:
    """What is known of one connection."""

    def __init__(self) -> None:
        self.namespace: Namespace | None = None
        self.answers: dict[str, Link] = {}
        """Links that answers go out by, by the node's address."""
        self.receivers: dict[str, tuple[Link, str]] = {}
        """Links that messages go out by, with the queue's name."""


class Server(Handler):
    """Serves namespaces; each connection says by its token which is its."""

    def __init__(self, namespaces: dict[str, Namespace], faults: Faults, lock: AbstractContextManager[Any]) -> None:
        super().__init__()
        self._namespaces = namespaces
        self._faults = faults
        self._lock = lock
        self._clients: dict[Any, _Client] = {}
        self._container: Container | None = None
        self._stopping = False

    def run(self, port: int, ready: Callable[[], None]) -> None:
        """Serve until :meth:`stop`."""
        self._container = Container(self)
        self._acceptor = self._container.acceptor("127.0.0.1", str(port))
        self._container.schedule(TICK, self)
        ready()
        self._container.run()

    def stop(self) -> None:
        """End soon."""
        self._stopping = True

    def on_unhandled(self, method: str, event: Any) -> None:
        """Nothing: proton calls this for every event that has no method here."""

    def on_timer_task(self, event: Any) -> None:
        if self._stopping:
            self._acceptor.close()
            event.container.stop()
            return
        with self._lock:
            for client in self._clients.values():
                self._push_all(client)
        event.container.schedule(TICK, self)

    def on_connection_remote_open(self, event: Any) -> None:
        event.connection.container = "broker"
        self._clients[event.connection] = _Client()
        event.connection.open()

    def on_session_remote_open(self, event: Any) -> None:
        event.session.open()

    def on_session_remote_close(self, event: Any) -> None:
        event.session.close()

    def on_connection_remote_close(self, event: Any) -> None:
        event.connection.close()
        self._gone(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        self._gone(event.connection)

    def on_link_remote_close(self, event: Any) -> None:
        self._dropped(event.connection, event.link)
        event.link.close()

    on_link_remote_detach = on_link_remote_close

    def on_link_remote_open(self, event: Any) -> None:
        link, client = event.link, self._clients[event.connection]
        node = _node(link.remote_source.address if link.is_sender else link.remote_target.address)
        try:
            with self._lock:
                self._check_node(client, node)
        except RefusedError as refused:
            # The attach has neither source nor target, and a detach with the reason follows:
            # https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html#doc-doc-idp386144
            link.source.type = link.target.type = Terminus.UNSPECIFIED
            link.open()
            link.condition = Condition(refused.condition, refused.description)
            link.close()
            return
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.snd_settle_mode, link.rcv_settle_mode = link.remote_snd_settle_mode, link.remote_rcv_settle_mode
        link.max_message_size = rules.MAX_MESSAGE
        link.open()
        if link.is_receiver:
            link.flow(_CREDIT)
        elif node == "$cbs" or node.endswith(_MANAGEMENT):
            client.answers[node] = link
        else:
            client.receivers[link.name] = (link, node)

    def _check_node(self, client: _Client, node: str) -> None:
        if node == "$cbs":
            return
        if client.namespace is None:
            raise RefusedError(rules.UNAUTHORIZED, "Unauthorized access. 'Send,Listen' claim(s) are required.")
        client.namespace.entity(node.removesuffix(_MANAGEMENT))

    def on_link_flow(self, event: Any) -> None:
        link = event.link
        client = self._clients.get(event.connection)
        if client is None or not link.is_sender or link.name not in client.receivers:
            return
        with self._lock:
            self._push(client, *client.receivers[link.name])
        if link.drain_mode:
            link.drained()

    def on_delivery(self, event: Any) -> None:
        delivery, link = event.delivery, event.link
        if event.connection not in self._clients:
            return
        try:
            if link.is_receiver and delivery.readable and not delivery.partial:
                self._received(event, link.recv(delivery.pending))
            elif link.is_sender and delivery.updated:
                self._settled(event, delivery)
        except Exception as error:  # an exception would end proton's loop, and every test with it
            log.exception("the broker failed")
            _refuse(delivery, RefusedError(rules.INTERNAL, f"{type(error).__name__}: {error}"))

    def _received(self, event: Any, raw: bytes) -> None:
        delivery, link = event.delivery, event.link
        client = self._clients[event.connection]
        link.advance()
        link.flow(1)
        node = _node(link.remote_target.address)
        if node == "$cbs" or node.endswith(_MANAGEMENT):
            self._request(client, node, raw)
            _accept(delivery)
        elif self._faults.hits(fault.TEAR_BEFORE, node):
            self._tear(event)
        else:
            self._send(event, client, node, raw)

    def _send(self, event: Any, client: _Client, queue: str, raw: bytes) -> None:
        hits = self._faults.hits
        try:
            rules.check_size(raw)
            rules.check_load(self._faults, queue)
            if hits(fault.DETACH, queue):
                _detach(event.link)
                return
            with self._lock:
                assert client.namespace is not None
                for _ in range(2 if hits(fault.DUPLICATE, queue) else 1):
                    client.namespace.accept(queue, raw)
                self._push_queue(client.namespace, queue)
        except RefusedError as refused:
            self._answer(event, queue, partial(_refuse, event.delivery, refused))
            return
        if hits(fault.TEAR_AFTER, queue):
            self._tear(event)
        else:
            self._answer(event, queue, partial(_accept, event.delivery))

    def _request(self, client: _Client, node: str, raw: bytes) -> None:
        request = Message()
        request.decode(raw)
        with self._lock:
            if node == "$cbs":
                made = self._authorize(client, request)
            else:
                assert client.namespace is not None
                queue = node.removesuffix(_MANAGEMENT)
                made = management.answer(request, client.namespace, queue, self._faults)
                self._push_queue(client.namespace, queue)
        link = client.answers.get(node)
        if link is not None:
            answer = link.delivery(uuid.uuid4().hex)
            link.send(bytes(made.encode()))
            link.advance()
            answer.settle()

    def _authorize(self, client: _Client, request: Message) -> Message:
        token = str(request.body)
        namespace = self._namespaces.get(management.key_name_of(token))
        try:
            management.check_token(token, namespace)
        except RefusedError as refused:
            return management.token_answer(request, refused)
        client.namespace = namespace
        return management.token_answer(request, None)

    def _push_all(self, client: _Client) -> None:
        for link, queue in client.receivers.values():
            self._push(client, link, queue)

    def _push_queue(self, namespace: Namespace, queue: str) -> None:
        """Deliver what has come to a queue; where its dead letters went, the next tick does."""
        for client in self._clients.values():
            if client.namespace is namespace:
                for link, name in client.receivers.values():
                    if name.lower() == queue.lower():
                        self._push(client, link, name)

    def _push(self, client: _Client, link: Link, queue: str) -> None:
        assert client.namespace is not None
        entity = client.namespace.entity(queue)
        while link.credit > 0 and (stored := entity.receive(link.name)) is not None:
            assert stored.token is not None
            delivery = link.delivery(cast("str", stored.token.bytes_le))
            delivery.lock_token = stored.token  # proton takes a tag for text, and gives none back that is not
            link.send(entity.encoded(stored))
            link.advance()

    def _settled(self, event: Any, delivery: Delivery) -> None:
        client = self._clients[event.connection]
        queue = client.receivers[event.link.name][1]
        hits = self._faults.hits
        if hits(fault.TEAR_BEFORE, queue):
            self._tear(event)
            return
        try:
            with self._lock:
                assert client.namespace is not None
                self._settle(client.namespace.entity(queue), delivery)
                self._push_queue(client.namespace, queue)
        except RefusedError as refused:
            self._answer(event, queue, partial(_refuse, delivery, refused))
            return
        if hits(fault.TEAR_AFTER, queue):
            self._tear(event)
        elif not hits(fault.LOSE_REPLY, queue):
            state = delivery.remote_state
            self._answer(event, queue, partial(_echo, delivery, state))

    def _settle(self, entity: Entity, delivery: Delivery) -> None:
        stored = entity.held(delivery.lock_token)
        state, remote = delivery.remote_state, delivery.remote
        if state == Delivery.RELEASED:
            entity.abandon(stored, counts=False)
            return
        if self._faults.hits(fault.LOSE_LOCK, entity.name):
            entity.abandon(stored)
            raise RefusedError(
                rules.LOCK_LOST, "The lock supplied is invalid. Either the lock expired, or it was taken."
            )
        if state == Delivery.ACCEPTED and self._faults.hits(fault.REDELIVER, entity.name):
            entity.abandon(stored)
        elif state == Delivery.ACCEPTED:
            entity.complete(stored)
        elif state == Delivery.REJECTED:
            info = (remote.condition.info or {}) if remote.condition else {}
            entity.dead_letter(stored, _text(info, "DeadLetterReason"), _text(info, "DeadLetterErrorDescription"))
        elif state == Delivery.MODIFIED and not remote.undeliverable:
            entity.abandon(stored)
        else:
            raise RefusedError(rules.NOT_DONE, "this broker puts no message aside (defer)")

    def _answer(self, event: Any, queue: str, send: Callable[[], None]) -> None:
        if self._faults.hits(fault.SLOW, queue):
            event.container.schedule(self._faults.pause, _Later(send))
        else:
            send()

    def _tear(self, event: Any) -> None:
        """Break the connection off, as a failing network does."""
        self._gone(event.connection)
        transport = event.transport
        selectable = transport._selectable
        transport.close_head()
        transport.close_tail()
        if selectable is not None:
            selectable.terminate()
            selectable._transport = None
            transport._selectable = None
            selectable.update()

    def _gone(self, connection: Any) -> None:
        client = self._clients.pop(connection, None)
        if client is not None:
            for link, _ in list(client.receivers.values()):
                self._unlock(client, link)

    def _dropped(self, connection: Any, link: Link) -> None:
        client = self._clients.get(connection)
        if client is not None and link.name in client.receivers:
            self._unlock(client, link)
            del client.receivers[link.name]

    def _unlock(self, client: _Client, link: Link) -> None:
        """A lock ends with the link that it was given on.

        https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-exceptions#reason-messagelocklost
        """
        with self._lock:
            assert client.namespace is not None
            client.namespace.entity(client.receivers[link.name][1]).drop_locks(link.name)


class _Later(Handler):
    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def on_timer_task(self, event: Any) -> None:
        self._call()


def _node(address: str | None) -> str:
    """``amqps://host/queue/$DeadLetterQueue`` -> ``queue/$deadletterqueue``."""
    text = address or ""
    if "://" in text:
        text = text.split("://", 1)[1].partition("/")[2]
    queue, mark, rest = text.partition("/$")
    return f"{queue}{mark}{rest.lower()}"


def _text(info: Any, name: str) -> str:
    found = next((value for key, value in info.items() if str(key) == name), None)
    return str(found) if found is not None else ""


def _accept(delivery: Delivery) -> None:
    delivery.update(Delivery.ACCEPTED)
    delivery.settle()


def _refuse(delivery: Delivery, refused: RefusedError) -> None:
    # The client reads all three fields of an error, and proton leaves out those that are empty at the end.
    delivery.local.condition = Condition(
        refused.condition, refused.description, {symbol("com.microsoft:tracking-id"): "0"}
    )
    delivery.update(Delivery.REJECTED)
    delivery.settle()


def _echo(delivery: Delivery, state: Any) -> None:
    """A settlement is answered with the outcome that was asked for, settled."""
    delivery.update(state)
    delivery.settle()


def _detach(link: Link) -> None:
    link.condition = Condition("amqp:link:detach-forced", "The link is force detached: the service is being updated.")
    link.close()
