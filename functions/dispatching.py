"""One dispatch queue per kind of compute target."""

from collections.abc import Callable, Iterable
from functools import partial

import azure.functions as func

from functions.bindings import message_of
from runyard.dispatch import dispatch
from runyard.dispatch.patience import patiently
from runyard.dispatch.wakes import dispatch_queue
from runyard.services import current
from runyard.telemetry.functions import traced


def dispatchers(kinds: Iterable[str]) -> func.Blueprint:
    """A function for each kind. Made anew for each app: which kinds there are depends on where it runs."""
    blueprint = func.Blueprint()
    for kind in kinds:
        queue = dispatch_queue(kind)
        bound = blueprint.service_bus_queue_trigger(arg_name="message", queue_name=queue, connection="ServiceBus")
        blueprint.function_name(f"dispatch_{kind}")(bound(_dispatcher(kind, queue)))
    return blueprint


def _dispatcher(kind: str, queue: str) -> Callable[[func.ServiceBusMessage], None]:
    @traced(f"dispatch_{kind}", queue=queue)
    def handler(message: func.ServiceBusMessage) -> None:
        """Give a compute's free slots to its waiting runs."""
        services, wake = current(), message_of(queue, message)
        work = partial(dispatch, services.ports)
        patiently(services.ports, wake, lambda: services.turns.take(queue, wake.body, work))

    return handler
