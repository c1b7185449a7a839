"""The queue through which runs are asked for."""

import azure.functions as func

from functions.bindings import message_of
from runyard.accept import accept
from runyard.dispatch.patience import patiently
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("accept")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=SUBMISSIONS, connection="ServiceBus")
@traced("accept", queue=SUBMISSIONS, joins=True)
def accept_submission(message: func.ServiceBusMessage) -> None:
    """Make a run of a submission."""
    ports, asked = current().ports, message_of(SUBMISSIONS, message)
    patiently(ports, asked, lambda: accept(ports, asked.body, message_id=asked.id, enqueued=asked.enqueued))
