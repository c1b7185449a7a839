"""Finds ``function_app.py``, loads it as the Functions worker does, and reads what it declares."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import azure.functions as func
import msgspec

import runyard
from runyard.errors import ConfigError, NotFoundError

QUEUE: Final = "serviceBusTrigger"
EVENT: Final = "eventGridTrigger"
TIMER: Final = "timerTrigger"
HTTP: Final = "httpTrigger"
TRIGGERS: Final = (QUEUE, EVENT, TIMER, HTTP)
"""The triggers that the embedded host serves, by the type in their binding."""
CONCURRENCY: Final = 16
LOCK: Final = 300.0

_SETTING: Final = re.compile(r"%([^%]+)%")
_TIME_SPAN: Final = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One function of the app: what starts it and how to call it."""

    name: str
    trigger: str
    """One of :data:`TRIGGERS`."""
    settings: Mapping[str, Any]
    """The trigger's binding as the app declares it, ``%SETTING%`` resolved."""
    call: Callable[..., Any]
    parameter: str
    """The name of the parameter that takes the trigger's value."""
    takes_context: bool = False
    is_async: bool = False
    folder: str = ""
    """The folder of the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostJson:
    """What ``host.json`` says, as far as it concerns this host.

    https://learn.microsoft.com/azure/azure-functions/functions-host-json
    """

    concurrency: int = CONCURRENCY
    """``extensions.serviceBus.maxConcurrentCalls``, per queue function."""
    lock: float = LOCK
    """Seconds a message stays locked. Azure's host renews a lock for up to ``maxAutoLockRenewalDuration`` (5 min) while
    the handler runs; here the lock is as long as that from the start, since a successor frees the locks at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionApp:
    """A loaded app."""

    path: Path
    module: ModuleType
    functions: tuple[Served, ...]
    host_json: HostJson = field(default_factory=HostJson)
    asgi: Any = None
    """The ASGI application behind the HTTP function, if there is one."""

    def by_trigger(self, trigger: str) -> tuple[Served, ...]:
        """The functions that this trigger starts."""
        return tuple(each for each in self.functions if each.trigger == trigger)


def find_app(path: Path | None = None) -> Path:
    """The ``function_app.py`` to serve: the one given, else the checkout's, else the copy inside the package.

    Raises:
        NotFoundError: if there is none.
    """
    package = Path(runyard.__file__).resolve().parent
    if path is not None:
        places = [path / "function_app.py" if path.is_dir() else path]
    else:
        places = [package.parents[1] / "function_app.py", package / "_app" / "function_app.py"]
    for place in places:
        if place.is_file():
            return place.resolve()
    looked = " and ".join(str(place) for place in places)
    raise NotFoundError(f"there is no function app to serve: looked for {looked}; name one, or install runyard again")


def load_app(path: Path, settings: Mapping[str, str] | None = None) -> FunctionApp:
    """Load a function app and read each function's bindings.

    Its folder goes first on ``sys.path`` and stays there, as in Azure's Python worker, so that the app imports its own
    packages; the module itself gets a name of its own.

    Args:
        path: ``function_app.py``.
        settings: What ``%NAME%`` in a binding stands for; the environment by default.

    Raises:
        ConfigError: if the app declares something that this host cannot serve.
    """
    module = _load_module(path)
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len({id(each) for each in apps}) != 1:
        raise ConfigError(f"{path} defines {len(apps)} function apps; it must define exactly one")
    app = apps[0]
    names = os.environ if settings is None else settings
    functions = tuple(_served(each, names, path) for each in app.get_functions())
    web = [each for each in functions if each.trigger == HTTP]
    middleware = getattr(app, "middleware", None)
    if web and (len(web) > 1 or not isinstance(middleware, func.AsgiMiddleware)):
        raise ConfigError(
            f"the HTTP function {web[-1].name!r} is not an ASGI application; serve HTTP through one AsgiFunctionApp"
        )
    return FunctionApp(
        path=path,
        module=module,
        functions=functions,
        host_json=read_host_json(path.with_name("host.json")),
        asgi=middleware._app if web and middleware else None,  # noqa: SLF001 - the SDK has no public name for it
    )


def read_host_json(path: Path) -> HostJson:
    """Read the settings of ``host.json`` that matter here; defaults where it says nothing or is not there.

    Raises:
        ConfigError: if it is not JSON or a value is out of range.
    """
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return HostJson()
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path} is not a JSON object: {error}") from None
    extensions = document.get("extensions")
    section = extensions.get("serviceBus") if isinstance(extensions, dict) else None
    bus = section if isinstance(section, dict) else {}
    calls = bus.get("maxConcurrentCalls", CONCURRENCY)
    if not isinstance(calls, int) or not 1 <= calls <= 1000:
        raise ConfigError(f"{path}: extensions.serviceBus.maxConcurrentCalls is {calls!r}; it is a number, 1 to 1000")
    renewal = bus.get("maxAutoLockRenewalDuration")
    lock = LOCK if renewal is None else max(60.0, _seconds(path, str(renewal)))
    return HostJson(concurrency=calls, lock=lock)


def _seconds(path: Path, text: str) -> float:
    found = _TIME_SPAN.fullmatch(text)
    if found is None:
        raise ConfigError(f"{path}: maxAutoLockRenewalDuration is {text!r}; it is written hh:mm:ss, such as 00:05:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _load_module(path: Path) -> ModuleType:
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"_runyard_function_app_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file; a function app is a file such as function_app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _served(function: Any, settings: Mapping[str, str], path: Path) -> Served:
    name = str(function.get_function_name())
    trigger = function.get_trigger().get_dict_repr()
    kind = str(trigger["type"])
    if kind not in TRIGGERS:
        raise ConfigError(f"function {name!r} has the trigger {kind!r}; this host serves {', '.join(TRIGGERS)}")
    for binding in _other_bindings(function, kind):
        raise ConfigError(f"function {name!r} has the binding {binding!r}; this host serves triggers only")
    resolved = {
        key: _resolve(name, value, settings) if isinstance(value, str) else value for key, value in trigger.items()
    }
    if kind == QUEUE:
        _check_queue(name, resolved)
    call = function.get_user_function()
    return Served(
        name=name,
        trigger=kind,
        settings=resolved,
        call=call,
        parameter=str(trigger["name"]),
        takes_context="context" in inspect.signature(call).parameters,
        is_async=inspect.iscoroutinefunction(call),
        folder=str(path.parent),
    )


def _other_bindings(function: Any, kind: str) -> Sequence[str]:
    types = [str(each.get_dict_repr()["type"]) for each in function.get_bindings()]
    answer = {"http"} if kind == HTTP else set()
    return [each for each in types if each != kind and each not in answer]


def _resolve(function: str, text: str, settings: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        setting = found.group(1)
        if setting not in settings:
            raise ConfigError(f"function {function!r} asks for the setting {setting!r}, which is not set; set it first")
        return settings[setting]

    return _SETTING.sub(value, text)


def _check_queue(name: str, settings: Mapping[str, Any]) -> None:
    queue = settings.get("queueName")
    if not queue:
        raise ConfigError(f"function {name!r} listens to a topic; this host serves Service Bus queues only")
    if "/$" in queue:
        raise ConfigError(
            f"function {name!r} listens to {queue!r}; all dead letters are forwarded to one queue, 'deadletters'"
        )
    cardinality = settings.get("cardinality")
    if cardinality is not None and str(getattr(cardinality, "value", cardinality)) != "one":
        raise ConfigError(f"function {name!r} takes many messages at a time; this host hands over one at a time")
