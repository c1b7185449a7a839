"""The one queue to which every other queue's dead letters are forwarded."""

import azure.functions as func

from runyard.ports import Message
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury
from runyard.services import current

blueprint = func.Blueprint()


@blueprint.function_name("dead_letters")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=DEAD_LETTERS, connection="ServiceBus")
def bury_dead_letter(message: func.ServiceBusMessage) -> None:
    """Write down what follows from a message that could not be handled."""
    sent = message.enqueued_time_utc
    letter = Message(
        queue=DEAD_LETTERS,
        id=message.message_id,
        body=message.get_body(),
        sequence=message.sequence_number or 0,
        enqueued=sent.timestamp() if sent is not None else current().ports.clock.now(),
        delivery_count=message.delivery_count or 1,
        dead_letter_reason=message.dead_letter_reason or "",
        dead_letter_description=message.dead_letter_error_description or "",
        dead_letter_source=message.dead_letter_source or "",
    )
    bury(current().ports, letter)
