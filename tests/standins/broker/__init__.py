"""A stand-in for Service Bus that the real ``azure-servicebus`` talks to: AMQP 1.0 on loopback, in a thread of the tests."""

from __future__ import annotations

from tests.standins.broker.running import Bench, Broker, broker, leaks_sockets
from tests.standins.broker.sharing import shared_queue

__all__ = ["Bench", "Broker", "broker", "leaks_sockets", "shared_queue"]
