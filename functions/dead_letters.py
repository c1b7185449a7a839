"""The one queue to which every other queue's dead letters are forwarded."""

import azure.functions as func

from functions.bindings import message_of
from runyard.dispatch.patience import patiently
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import bury
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("dead_letters")
@blueprint.service_bus_queue_trigger(arg_name="message", queue_name=DEAD_LETTERS, connection="ServiceBus")
@traced("dead_letters", queue=DEAD_LETTERS)
def bury_dead_letter(message: func.ServiceBusMessage) -> None:
    """Write down what follows from a message that could not be handled."""
    ports, letter = current().ports, message_of(DEAD_LETTERS, message)
    patiently(ports, letter, lambda: bury(ports, letter))
