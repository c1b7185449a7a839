"""The queues by which endings go out: runs that have ended, and subscriptions that have something due."""

from functools import partial

import azure.functions as func

from functions.bindings import message_of
from runyard.dispatch.patience import patiently
from runyard.dispatch.wakes import FINISHED, NOTIFY
from runyard.notify import announce, deliver
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("announce")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=FINISHED, connection="ServiceBus")
@traced("announce", queue=FINISHED)
def announce_ending(message: func.ServiceBusMessage) -> None:
    """Write a delivery of a run's ending for each subscription that it concerns."""
    ports, wake = current().ports, message_of(FINISHED, message)
    patiently(ports, wake, lambda: announce(ports, wake.body))


@blueprint.function_name("notify")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=NOTIFY, connection="ServiceBus")
@traced("notify", queue=NOTIFY)
def deliver_due(message: func.ServiceBusMessage) -> None:
    """Deliver what is due to a subscription."""
    services, wake = current(), message_of(NOTIFY, message)
    work = partial(deliver, services.ports)
    patiently(services.ports, wake, lambda: services.turns.take(NOTIFY, wake.body, work))
