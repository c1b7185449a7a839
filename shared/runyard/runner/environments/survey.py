"""What of this machine can prepare environments."""

import os
from typing import Any, Dict, List, Tuple

from .interpreters import full_path, take_census
from .making import Maker
from .masking import Masker
from .running import Shop, tool_environment
from .wish import Wish

_CONDA = ("micromamba", "mamba", "conda")
_RATTLER = "import rattler"


def survey(cache: str, python: str) -> Dict[str, Any]:
    """As the package says."""
    shop = Shop(Masker(), lambda _: None)
    own = dict(os.environ)
    default, interpreters = take_census(shop, cache, python, own)
    tools: List[Tuple[str, str]] = []
    uv = Maker(Wish({"python": python, "cache": cache}), "", shop, lambda _: None, own).uv()
    if uv:
        tools.append(("uv", uv))
    if default is not None and (default.has_venv or default.has_virtualenv):
        tools.append(("pip", default.path))
    if default is not None and _has_rattler(shop, default.path, own):
        tools.append(("rattler", default.path))
    tools += [(name, full_path(name, own)) for name in _CONDA if full_path(name, own)]
    return {"tools": dict(tools), "interpreters": {each.path: each.shown for each in interpreters}}


def _has_rattler(shop: Shop, python: str, environment: Dict[str, str]) -> bool:
    return shop.run([python, "-E", "-c", _RATTLER], tool_environment(environment), quiet=True, seconds=20.0).code == 0
