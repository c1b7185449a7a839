"""What runs by the clock. What fails for a passing reason is logged; the next time does it."""

import azure.functions as func

from runyard.dispatch.patience import tolerantly
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
    services = current()
    try:
        tolerantly("alarms", services.watch_over)
    finally:  # whatever the alarms came upon
        tolerantly("reconcile", lambda: reconcile(services.ports))


@blueprint.function_name("sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
@traced("sweep", "timer")
def sweep_drops(timer: func.TimerRequest) -> None:
    """Find snapshots that raised no event, and secrets that belong to no run."""
    del timer
    ports = current().ports
    tolerantly("sweep", lambda: sweep(ports))
    tolerantly("sweep of secrets", lambda: sweep_secrets(ports))


@blueprint.function_name("schedules")
@blueprint.timer_trigger(arg_name="timer", schedule="*/15 * * * * *")
@traced("schedules", "timer")
def fire_schedules(timer: func.TimerRequest) -> None:
    """Make the runs of schedules whose time has come."""
    del timer
    ports = current().ports
    tolerantly("schedules", lambda: fire_due(ports))
