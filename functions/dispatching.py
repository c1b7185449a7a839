"""One dispatch queue per kind of compute target."""

from collections.abc import Callable

import azure.functions as func

from runyard.dispatch import dispatch
from runyard.dispatch.wakes import dispatch_queue
from runyard.services import current, kinds

blueprint = func.Blueprint()


def _dispatcher() -> Callable[[func.ServiceBusMessage], None]:
    def handler(message: func.ServiceBusMessage) -> None:
        """Give a compute's free slots to its waiting runs."""
        dispatch(current().ports, message.get_body())

    return handler


for kind in kinds():
    blueprint.function_name(f"dispatch_{kind}")(
        blueprint.service_bus_queue_trigger(
            arg_name="message", queue_name=dispatch_queue(kind), connection="ServiceBus"
        )(_dispatcher())
    )
