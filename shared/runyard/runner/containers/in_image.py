"""The builder of environments in the container that becomes their image."""

import json
import os
import sys
from io import BytesIO
from typing import Any

from ..environments import main_build

CACHE = "/opt/runyard/environments"
"""Where the image keeps its environment."""


def main(stdin: Any, stdout: Any) -> int:
    """Build the environment of the order on stdin: ``wish``, and ``variables``, the settings of the tools.

    They come like this and not as the container's own variables, as these would stay in the image.
    """
    order = json.loads(stdin.read().decode())
    os.environ.update(order["variables"])
    os.umask(0o022)
    os.makedirs(os.path.dirname(CACHE), exist_ok=True)
    code = main_build(BytesIO(json.dumps(order["wish"]).encode()), stdout)
    if code == 0:
        os.chmod(CACHE, 0o755)  # scripts run as whoever started the run
    sys.stderr.flush()
    return code
