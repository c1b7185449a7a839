"""What the Azure Functions host loads, and what `runyard up` serves on one machine: the triggers, and nothing else."""

import sys
from pathlib import Path

_SOURCES = Path(__file__).parent / "shared"
if _SOURCES.is_dir():  # in an installed package the library is importable already
    sys.path.insert(0, str(_SOURCES))

import azure.functions as func  # noqa: E402

from functions.blobs import blueprint as blobs  # noqa: E402
from functions.dead_letters import blueprint as dead_letters  # noqa: E402
from functions.dispatching import dispatchers  # noqa: E402
from functions.endings import blueprint as endings  # noqa: E402
from functions.http import api  # noqa: E402
from functions.submissions import blueprint as submissions  # noqa: E402
from functions.timers import blueprint as timers  # noqa: E402
from functions.watching import blueprint as watching  # noqa: E402
from runyard.services import begin, kinds  # noqa: E402

begin()

# Callers are checked by the application itself (one token mechanism in both hosts), so the host lets requests through.
app = func.AsgiFunctionApp(app=api, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="http")
for blueprint in (blobs, submissions, dispatchers(kinds()), watching, endings, dead_letters, timers):
    app.register_functions(blueprint)
