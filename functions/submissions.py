"""The queue through which runs are asked for."""

import azure.functions as func

from functions.bindings import enqueued_at
from runyard.accept import accept
from runyard.dispatch.wakes import SUBMISSIONS
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("accept")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=SUBMISSIONS, connection="ServiceBus")
@traced("accept", queue=SUBMISSIONS, joins=True)
def accept_submission(message: func.ServiceBusMessage) -> None:
    """Make a run of a submission."""
    accept(current().ports, message.get_body(), message_id=message.message_id, enqueued=enqueued_at(message))
