"""Event Grid tells of a blob that was created in the drop container."""

import azure.functions as func

from functions.bindings import event_of
from runyard.accept import drop
from runyard.events.blob import parse_blob_event
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("blob_created")
@blueprint.event_grid_trigger(arg_name="event")
@traced("blob_created", "event")
def blob_created(event: func.EventGridEvent) -> None:
    """Tell accept of a snapshot. What this raises has Event Grid try again, for up to a day, at growing intervals."""
    found = parse_blob_event(event_of(event))
    if found is not None:
        drop(current().ports, found)
