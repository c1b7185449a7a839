"""What runs by the clock."""

import azure.functions as func

from runyard.reconcile import reconcile, sweep, sweep_secrets
from runyard.schedule import fire_due
from runyard.services import current
from runyard.telemetry.functions import traced

blueprint = func.Blueprint()


@blueprint.function_name("reconcile")
@blueprint.timer_trigger(arg_name="timer", schedule="*/30 * * * * *")
@traced("reconcile", "timer")
def reconcile_gates(timer: func.TimerRequest) -> None:
    """Tell the log what is amiss, and wake what should move and does not."""
    del timer
    current().watch_over()
    reconcile(current().ports)


@blueprint.function_name("sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
@traced("sweep", "timer")
def sweep_drops(timer: func.TimerRequest) -> None:
    """Find snapshots that raised no event, and secrets that belong to no run."""
    del timer
    sweep(current().ports)
    sweep_secrets(current().ports)


@blueprint.function_name("schedules")
@blueprint.timer_trigger(arg_name="timer", schedule="*/15 * * * * *")
@traced("schedules", "timer")
def fire_schedules(timer: func.TimerRequest) -> None:
    """Make the runs of schedules whose time has come."""
    del timer
    fire_due(current().ports)
