"""The queue through which runs are asked for."""

import azure.functions as func

from runyard.accept import accept
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.services import current

blueprint = func.Blueprint()


@blueprint.function_name("accept")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=SUBMISSIONS, connection="ServiceBus")
def accept_submission(message: func.ServiceBusMessage) -> None:
    """Make a run of a submission."""
    services = current()
    sent = message.enqueued_time_utc
    enqueued = sent.timestamp() if sent is not None else services.ports.clock.now()
    accept(services.ports, message.get_body(), message_id=message.message_id, enqueued=enqueued)
