"""One dispatch queue per kind of compute target."""

from collections.abc import Callable
from functools import partial

import azure.functions as func

from runyard.dispatch import dispatch
from runyard.dispatch.wakes import dispatch_queue
from runyard.services import current, kinds
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


def _dispatcher(kind: str, queue: str) -> Callable[[func.ServiceBusMessage], None]:
    @traced(f"dispatch_{kind}", queue=queue)
    def handler(message: func.ServiceBusMessage) -> None:
        """Give a compute's free slots to its waiting runs."""
        services = current()
        services.turns.take(queue, message.get_body(), partial(dispatch, services.ports))

    return handler


for kind in kinds():
    blueprint.function_name(f"dispatch_{kind}")(
        blueprint.service_bus_queue_trigger(
            arg_name="message", queue_name=dispatch_queue(kind), connection="ServiceBus"
        )(_dispatcher(kind, dispatch_queue(kind)))
    )
