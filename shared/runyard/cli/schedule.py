"""``runyard schedule``."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from runyard.cli.context import Json, Root, Runconfig, Target, connect, pairs, root_of, seconds
from runyard.cli.outcome import say
from runyard.cli.show import local_time, print_json, print_lines, print_table, relative, span
from runyard.cli.up import next_step
from runyard.cli.webhook_add import stored_snapshot
from runyard.errors import ConfigError

if TYPE_CHECKING:
    from runyard.api.event_shapes import ScheduleShape, TimeShape

app = typer.Typer(
    name="schedule", help="Schedules: runs that the clock starts.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A schedule's name.")]
Cron = Annotated[
    str | None,
    typer.Option(
        help="Five fields: minute hour day month weekday, as in crontab; or @hourly, @daily, @weekly, @monthly."
    ),
]
Every = Annotated[str | None, typer.Option(metavar="LENGTH", help="Instead: this long between two times, such as 15m.")]
At = Annotated[str | None, typer.Option(metavar="TIME", help="Instead: once, at 2026-12-01T08:00 of the zone.")]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Time zone of --cron and --at, such as Europe/Madrid.")]
Count = Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="How many times.")]


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - each is an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '-' or '_'.")],
    snapshot: Annotated[str, typer.Option(metavar="DIR|ZIP", help="What to run: uploaded now, or container/name.")],
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    tz: Zone = "UTC",
    experiment: Annotated[
        str | None, typer.Option(help="The runs' experiment.", show_default="the schedule's name")
    ] = None,
    runconfig: Runconfig = None,
    target: Target = None,
    script: Annotated[str | None, typer.Option(help="The script, instead of the run configuration's.")] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="An argument; {/date} and the like take a value of the time: --arg=--day={/date}. Repeat."),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An environment variable; pointers as in --arg.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A tag; pointers as in --arg.")] = None,
    display_name: Annotated[
        str | None, typer.Option("--name", help="Shown with the runs; pointers as in --arg.")
    ] = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first; equal ones by age.")] = 0,
    catch_up: Annotated[
        str, typer.Option(metavar="last|all|none", help="After times were missed: one run, one for each, or none.")
    ] = "last",
    grace: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="A time missed by more than this is not made up for.")
    ] = None,
    overlap: Annotated[
        str,
        typer.Option(metavar="allow|skip", help="While the run before goes on: start another, or leave the time out."),
    ] = "allow",
    paused: Annotated[bool, typer.Option("--paused", help="Start nothing until `schedule resume`.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of one of this name.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """Define a schedule: when, and what to run then.

    Values of arguments, tags and variables may hold {/date}, {/time}, {/local}, {/scheduled}, {/timestamp}, {/name}.
    """
    said = {"runconfig": runconfig, "target": target, "script": script, "displayName": display_name, "arguments": arg}
    submission: dict[str, Any] = {"experiment": experiment or name}
    submission |= {key: value for key, value in said.items() if value is not None}
    submission |= {"environmentVariables": pairs(env, "--env")} if env else {}
    submission |= {"tags": pairs(tag, "--tag")} if tag else {}
    submission |= {"priority": priority} if priority else {}
    when = {"cron": cron, "every": seconds(every, "--every"), "at": at, "zone": tz}
    with connect(root) as client:
        client.schedules.preview(1, **when)  # type: ignore[arg-type]  # said before a large snapshot is sent
        submission["snapshot"] = stored_snapshot(client, snapshot)
        found = client.schedules.add(
            name,
            submission=submission,
            **when,  # type: ignore[arg-type]
            catch_up=catch_up,
            grace=seconds(grace, "--grace"),
            overlap=overlap,
            paused=paused,
            replace=replace,
        )
        embedded = client.embedded
    if json:
        print_json(found)
    else:
        _show(found)
    if embedded:
        say(f"no host serves {root_of(root)} now: start one with `runyard up`; times that pass before count as missed")


@app.command("list")
def list_schedules(json: Json = False, root: Root = None) -> None:
    """List schedules and when each is due."""
    with connect(root) as client:
        found = client.schedules.list()
    if json:
        print_json({"schedules": found})
        return
    rows = [
        (
            each["name"],
            each["timing"],
            _state(each),
            _in(each["next"][0]) if each["next"] and not each["paused"] else "",
            each["lastRunId"] or "",
        )
        for each in found
    ]
    print_table(("SCHEDULE", "TIMES", "STATE", "NEXT", "LAST RUN"), rows)


@app.command("show")
def show(name: Name, json: Json = False, root: Root = None) -> None:
    """Show a schedule: what it submits, when, and what came of it."""
    with connect(root) as client:
        found = client.schedules.get(name)
    if json:
        print_json(found)
    else:
        _show(found)


@app.command("remove")
def remove(name: Name, root: Root = None) -> None:
    """Remove a schedule; its runs stay."""
    with connect(root) as client:
        client.schedules.remove(name)
    say(f"{name} is removed; its runs stay")


@app.command("pause")
def pause(name: Name, json: Json = False, root: Root = None) -> None:
    """Let a schedule start nothing; times that come meanwhile are left out."""
    with connect(root) as client:
        found = client.schedules.pause(name)
    if json:
        print_json(found)
    else:
        say(f"{name} is paused; go on with `runyard schedule resume {name}`")


@app.command("resume")
def resume(name: Name, json: Json = False, root: Root = None) -> None:
    """Let a paused schedule go on with its next time."""
    with connect(root) as client:
        found = client.schedules.resume(name)
    if json:
        print_json(found)
    else:
        _show(found)


@app.command("run")
def run(
    name: Name,
    key: Annotated[str | None, typer.Option(help="The request's identity: the same key finds the same run.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Start a run of a schedule now; its times stay as they are."""
    with connect(root) as client:
        found = client.schedules.run(name, key=key)
        embedded = client.embedded
    if json:
        print_json(found)
    else:
        print(found["runId"])
    if embedded:
        next_step(root_of(root))


@app.command("next")
def next_times(name: Name, count: Count = 10, json: Json = False, root: Root = None) -> None:
    """List the next times of a schedule, on its zone's clock and in UTC."""
    with connect(root) as client:
        times = client.schedules.next(name, count)
    _print_times(times, json, {"name": name})


@app.command("preview")
def preview(
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    tz: Zone = "UTC",
    after: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="After this time in the zone, as 2027-03-27; now by default."),
    ] = None,
    count: Count = 10,
    json: Json = False,
) -> None:
    """List the times that a schedule would have; nothing is stored, and no root is needed."""
    from runyard.api.schedules import time_shape  # noqa: PLC0415 - FastAPI
    from runyard.schedule import upcoming  # noqa: PLC0415
    from runyard.schedule.definitions import timing_of  # noqa: PLC0415

    now = time.time()
    timing = timing_of(now, cron=cron, every=seconds(every, "--every"), at=at, zone=tz)
    begin = now if after is None else _moment(after, tz)
    _print_times([time_shape(each, tz) for each in upcoming(timing, begin, count)], json, {"timing": timing.told()})


def _moment(text: str, zone: str) -> float:
    """A time of the zone's clock, in seconds since the epoch."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--from is {text[:60]!r}; it is a time such as 2027-03-27 or 2027-03-27T08:00") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))).timestamp()


def _print_times(times: list[TimeShape], json: bool, head: dict[str, Any]) -> None:
    if json:
        print_json({**head, "times": times})
        return
    if not times:
        say("there is no time to come")
        return
    rows = [(_wall(each), _utc(each), _ahead(each)) for each in times]
    print_table(
        (times[0]["zone"].upper() if times[0]["zone"] == "UTC" else times[0]["zone"], "UTC", "IN"), rows, fixed=3
    )


def _show(found: ScheduleShape) -> None:
    submission = found["submission"]
    asked = submission.get("snapshot")
    snapshot = f"{asked['container']}/{asked['name']}" if isinstance(asked, dict) else str(asked)
    lines = [("schedule", found["name"]), ("times", found["timing"]), ("state", _state(found))]
    lines += [("next" if not number else "", _in(each)) for number, each in enumerate(found["next"])]
    lines += [
        ("runs", snapshot),
        ("as", ", ".join(f"{key}={value}" for key, value in submission.items() if key != "snapshot")),
    ]
    rules = f"catch up {found['catchUp']}, overlap {found['overlap']}"
    lines.append(("rules", rules + ("" if found["grace"] is None else f", grace {span(found['grace'])}")))
    if found["lastRunId"]:
        of = f" for {local_time(found['lastTimeUtc'])}" if found["lastTimeUtc"] else ""
        lines.append(("last run", f"{found['lastRunId']}{of}"))
    if found["lastError"]:
        lines.append(("error", found["lastError"]))
    for number, note in enumerate(reversed(found["skipped"])):
        until = "" if note["count"] == 1 else f" to {local_time(note['lastTimeUtc'])} ({_count(note['count'])})"
        lines.append(("left out" if not number else "", f"{local_time(note['firstTimeUtc'])}{until}: {note['why']}"))
    print_lines(lines)


def _count(count: int) -> str:
    return f"{count:,} times" if count < 1000 else "1,000 times or more"


def _state(found: ScheduleShape) -> str:
    if found["paused"]:
        return "paused"
    if not found["next"]:
        return "over"
    return f"failing ({found['failures']} in a row)" if found["failures"] else "on"


def _in(each: TimeShape) -> str:
    """``2026-11-25 08:00:00 Europe/Madrid (07:00:00 UTC), in 14h02m``."""
    utc = _utc(each)
    same = utc[:10] == _wall(each)[:10]
    where = "UTC" if each["zone"] == "UTC" else f"{each['zone']} ({utc[11:] if same else utc} UTC)"
    return f"{_wall(each)} {where}, {_ahead(each)}"


def _wall(each: TimeShape) -> str:
    return datetime.fromisoformat(each["local"]).strftime("%Y-%m-%d %H:%M:%S")


def _utc(each: TimeShape) -> str:
    return datetime.fromisoformat(each["timeUtc"]).strftime("%Y-%m-%d %H:%M:%S")


def _ahead(each: TimeShape) -> str:
    now = datetime.fromtimestamp(time.time()).astimezone().isoformat()
    return relative(each["timeUtc"], now)
