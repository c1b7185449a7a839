"""The queue of scheduled polls, one message per compute in use."""

from functools import partial

import azure.functions as func

from functions.bindings import message_of
from runyard.dispatch.patience import patiently
from runyard.dispatch.wakes import WATCH
from runyard.services import current
from runyard.telemetry.functions import traced
from runyard.watch import watch

blueprint = func.Blueprint()


@blueprint.function_name("watch")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=WATCH, connection="ServiceBus")
@traced("watch", queue=WATCH)
def poll_compute(message: func.ServiceBusMessage) -> None:
    """Observe the runs of a compute."""
    services, tick = current(), message_of(WATCH, message)
    work = partial(watch, services.ports)
    patiently(services.ports, tick, lambda: services.turns.take(WATCH, tick.body, work))
