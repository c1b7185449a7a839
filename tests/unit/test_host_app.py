from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runyard.errors import ConfigError, NotFoundError
from runyard.host.app import HTTP, QUEUE, TIMER, HostJson, find_app, load_app, read_host_json
from tests.host_helpers import app_of, write_app

ALL_KINDS = """
@app.service_bus_queue_trigger(arg_name="message", queue_name="submissions", connection="Bus")
def accept(message: func.ServiceBusMessage, context: func.Context) -> None: ...

@app.event_grid_trigger(arg_name="event")
def dropped(event: func.EventGridEvent) -> None: ...

@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", run_on_startup=True)
async def tidy(timer: func.TimerRequest) -> None: ...
"""


def test_every_function_is_read_from_its_bindings(tmp_path: Path) -> None:
    app = app_of(tmp_path, ALL_KINDS)

    assert {each.name: (each.trigger, each.parameter) for each in app.functions} == {
        "accept": ("serviceBusTrigger", "message"),
        "dropped": ("eventGridTrigger", "event"),
        "tidy": ("timerTrigger", "timer"),
    }
    accept, dropped, tidy = app.functions
    assert (accept.takes_context, dropped.takes_context, tidy.is_async) == (True, False, True)
    assert accept.settings["queueName"] == "submissions"
    assert (tidy.settings["schedule"], tidy.settings["runOnStartup"]) == ("0 */5 * * * *", True)
    assert app.asgi is None


def test_functions_of_a_blueprint_made_in_a_loop_are_served(tmp_path: Path) -> None:
    (tmp_path / "loop_functions").mkdir()
    (tmp_path / "loop_functions" / "__init__.py").write_text(
        "import azure.functions as func\n"
        "bp = func.Blueprint()\n"
        "for kind in ('local', 'ssh'):\n"
        "    def handle(message: func.ServiceBusMessage) -> None: ...\n"
        "    bp.function_name(f'dispatch_{kind}')(bp.service_bus_queue_trigger(\n"
        "        arg_name='message', queue_name=f'dispatch-{kind}', connection='Bus')(handle))\n"
    )
    app = app_of(tmp_path, "from loop_functions import bp\napp.register_functions(bp)\n")

    assert [(each.name, each.settings["queueName"]) for each in app.by_trigger(QUEUE)] == [
        ("dispatch_local", "dispatch-local"),
        ("dispatch_ssh", "dispatch-ssh"),
    ]


def test_an_app_can_be_loaded_twice(tmp_path: Path) -> None:
    path = write_app(tmp_path, ALL_KINDS)

    first, second = load_app(path), load_app(path)

    assert first.module is not second.module
    assert [each.name for each in first.functions] == [each.name for each in second.functions]


def test_a_setting_in_a_queue_name_is_resolved(tmp_path: Path) -> None:
    body = ALL_KINDS.replace('"submissions"', '"%RUNYARD_QUEUE%"')
    app = app_of(tmp_path, body, settings={"RUNYARD_QUEUE": "renamed"})

    assert app.by_trigger(QUEUE)[0].settings["queueName"] == "renamed"


def test_a_setting_that_is_not_set_names_the_function(tmp_path: Path) -> None:
    body = ALL_KINDS.replace('"submissions"', '"%RUNYARD_QUEUE%"')

    with pytest.raises(ConfigError, match=r"'accept'.*'RUNYARD_QUEUE'"):
        app_of(tmp_path, body, settings={})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '@app.blob_trigger(arg_name="blob", path="a/b", connection="c")\ndef other(blob) -> None: ...\n',
            "blobTrigger",
        ),
        (
            (
                '@app.timer_trigger(arg_name="t", schedule="0 0 0 * * *")\n'
                '@app.service_bus_queue_output(arg_name="out", queue_name="q", connection="c")\n'
                "def other(t: func.TimerRequest, out: func.Out[str]) -> None: ...\n"
            ),
            "triggers only",
        ),
        (
            (
                '@app.service_bus_topic_trigger(arg_name="m", topic_name="t", subscription_name="s", connection="c")\n'
                "def other(m: func.ServiceBusMessage) -> None: ...\n"
            ),
            "topic",
        ),
        (
            (
                '@app.service_bus_queue_trigger(arg_name="m", queue_name="q", connection="c", cardinality="many")\n'
                "def other(m: func.ServiceBusMessage) -> None: ...\n"
            ),
            "one at a time",
        ),
        (
            (
                '@app.service_bus_queue_trigger(arg_name="m", queue_name="q/$deadletterqueue", connection="c")\n'
                "def other(m: func.ServiceBusMessage) -> None: ...\n"
            ),
            "deadletters",
        ),
        ('@app.route(route="x")\ndef other(req: func.HttpRequest) -> str: ...\n', "AsgiFunctionApp"),
    ],
)
def test_what_cannot_be_served_is_an_error_that_names_the_function(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ConfigError, match="'other'") as caught:
        app_of(tmp_path, body)

    assert words in caught.value.message


def test_an_asgi_app_is_found_behind_its_function(tmp_path: Path) -> None:
    app = app_of(tmp_path, "async def api(scope, receive, send): ...\napp = func.AsgiFunctionApp(app=api)\n")

    assert app.asgi is app.module.api
    assert len(app.by_trigger(HTTP)) == 1


def test_a_file_without_an_app_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        app_of(tmp_path, "app = None\n")


def test_a_broken_app_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)

    with pytest.raises(ZeroDivisionError):
        app_of(tmp_path, "1 / 0\n")

    assert not [name for name in set(sys.modules) - before if name.startswith("_runyard_function_app")]


def test_a_missing_app_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"function_app\.py"):
        find_app(tmp_path)


def host_json(bus: str) -> str:
    return f'{{"version": "2.0", "extensions": {{"serviceBus": {bus}}}}}'


def test_host_json_gives_concurrency_and_lock(tmp_path: Path) -> None:
    bus = '{"maxConcurrentCalls": 4, "maxAutoLockRenewalDuration": "00:02:30"}'
    (tmp_path / "host.json").write_text(host_json(bus))

    assert read_host_json(tmp_path / "host.json") == HostJson(concurrency=4, lock=150.0)
    assert read_host_json(tmp_path / "none.json") == HostJson(concurrency=16, lock=300.0)


@pytest.mark.parametrize(
    "bus",
    ['{"maxConcurrentCalls": 0}', '{"maxConcurrentCalls": "many"}', '{"maxAutoLockRenewalDuration": "5 min"}'],
)
def test_a_wrong_host_json_says_what_is_allowed(tmp_path: Path, bus: str) -> None:
    (tmp_path / "host.json").write_text(host_json(bus))

    with pytest.raises(ConfigError, match=r"host\.json"):
        read_host_json(tmp_path / "host.json")


def test_a_timer_keeps_its_schedule(tmp_path: Path) -> None:
    assert app_of(tmp_path, ALL_KINDS).by_trigger(TIMER)[0].settings["schedule"] == "0 */5 * * * *"
