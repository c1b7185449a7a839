"""``runyard runs``, ``show`` and ``metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runyard.cli.context import Json, Root, RunId, connect
from runyard.cli.outcome import NOT_FOUND, say
from runyard.cli.preparing import PREPARING, last_line
from runyard.cli.show import age, between, figure, local_time, print_fields, print_json, print_table, shortened, size

if TYPE_CHECKING:
    from runyard.api.shapes import RunDetails, RunPage
    from runyard.runs.summary import RunSummary
    from runyard.sdk.client import Client

Experiment = Annotated[str | None, typer.Option(help="Only runs of this experiment.")]
Goal = Annotated[
    str | None, typer.Option(metavar="minimize|maximize", help="What is best; by the metric's name when not given.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("runs")(runs)
    app.command("show")(show)
    app.command("metrics")(metrics)


def runs(  # noqa: PLR0913, PLR0917 - each is an option
    status: Annotated[list[str] | None, typer.Option(help="Only runs of this status. Repeat.")] = None,
    experiment: Experiment = None,
    target: Annotated[str | None, typer.Option(help="Only runs for this compute.")] = None,
    sort: Annotated[str | None, typer.Option(metavar="METRIC", help="The best runs by this metric first.")] = None,
    goal: Goal = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="The page after this one.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every page.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """List runs, newest first."""
    if all_ and sort:
        raise typer.BadParameter("--all lists by age; with --sort, say how many with --limit")
    with connect(root) as client:
        page = client.runs.page(
            status=status or [],
            experiment=experiment,
            target=target,
            sort=sort,
            goal=goal,
            after=after,
            limit=1000 if all_ else limit,
        )
        if all_:
            older = _older(client, page, status or [], experiment, target)
            page["runs"].extend(older)
            page["next"] = None
    if json:
        print_json(page)
        return
    _print_runs(page, sort)


def _older(
    client: Client, page: RunPage, status: list[str], experiment: str | None, target: str | None
) -> list[RunSummary]:
    found: list[RunSummary] = []
    after = page["next"]
    while after is not None:
        more = client.runs.page(status=status, experiment=experiment, target=target, after=after, limit=1000)
        found.extend(more["runs"])
        after = more["next"]
    return found


def _print_runs(page: RunPage, metric: str | None) -> None:
    if not page["runs"]:
        say("no such runs" if metric is None else f"no run has a metric {metric!r}")
        return
    columns = ["RUN", "STATUS", "AGE", "TIME", "TARGET"] + ([metric] if metric else [])
    rows = []
    for run in page["runs"]:
        row = [
            run["runId"],
            run["status"],
            age(run["createdTimeUtc"]),
            between(run["startTimeUtc"], run["endTimeUtc"]),
            run["target"] or run["compute"],
        ]
        if metric:
            row.append(figure(_best(run, metric, page["goal"])))
        rows.append(row)
    print_table(columns, rows, status=1)
    if page["next"]:
        say(f"there are older ones: --after {page['next']}, or --all")
    if page["truncated"]:
        say("only the newest 10,000 runs were compared; narrow the listing with --experiment, --status or --target")


def _best(run: RunSummary, metric: str, goal: str | None) -> float:
    figures = run["metrics"][metric]
    return figures["min"] if goal == "minimize" else figures["max"]


def show(run: RunId, json: Json = False, root: Root = None) -> None:
    """Show a run: its status and why, its times and figures."""
    with connect(root) as client:
        found = client.runs.get(client.runs.resolve(run))
        doing = last_line(client, found["runId"]) if found["status"] == PREPARING and not json else ""
    if json:
        print_json(found)
        return
    _print_run(found, doing)


def _print_run(run: RunDetails, doing: str) -> None:
    definition: dict[str, Any] = run["runDefinition"] or {}
    snapshot, source, error = run["snapshot"], run["source"], run["error"]
    from runyard.ports.gates import FAR  # noqa: PLC0415 - the ports, for this command only

    place = run["queuePosition"] or 0
    queue = f"{f'place {place}' if place <= FAR else f'beyond place {FAR:,}'} on {run['compute']}" if place else ""
    print_fields(
        (
            ("run", run["runId"]),
            ("name", run["displayName"]),
            ("status", run["status"]),
            ("reason", run["reason"]),
            ("doing", doing),
            ("error", f"{error['errorClass']}: {error['message']}" if error else ""),
            ("waits", queue),
            ("target", run["target"] if run["target"] == run["compute"] else f"{run['target']} ({run['compute']})"),
            (
                "script",
                " ".join([str(definition.get("script", "")), *map(str, definition.get("arguments", ()))]).strip(),
            ),
            ("runconfig", str(definition.get("source", ""))),
            ("snapshot", f"{snapshot['container']}/{snapshot['name']} ({size(snapshot['size'])})" if snapshot else ""),
            ("source", " ".join(part for part in (source["kind"], source["name"], source["eventId"]) if part)),
            ("created", local_time(run["createdTimeUtc"])),
            ("started", local_time(run["startTimeUtc"])),
            ("ended", local_time(run["endTimeUtc"])),
            ("ran for", between(run["startTimeUtc"], run["endTimeUtc"])),
            ("attempt", str(run["attempt"]) if run["attempt"] > 1 else ""),
            ("exit code", "" if run["exitCode"] is None else str(run["exitCode"])),
            ("tags", ", ".join(f"{name}={value}" for name, value in run["tags"].items())),
            ("metrics", ", ".join(f"{name}={figure(each['last'])}" for name, each in run["metrics"].items())),
            ("left", _left(run)),
            ("log", "" if run["logComplete"] in {None, True} else "not complete: its end was lost"),
        )
    )


def _left(run: RunDetails) -> str:
    """What may go on of a run that was ended by force."""
    left = run["mayStillRun"]
    if left is None:
        return ""
    return f"it may still be running on {left['compute']} (handle {left['handle'] or 'unknown'}); nothing watches it any more"


def metrics(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run, as for `show`.")] = None,
    best: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Instead: which run is best by this metric.")
    ] = None,
    experiment: Experiment = None,
    goal: Goal = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Show a run's metrics, or the best run by one (--best)."""
    if (run is None) == (best is None):
        raise typer.BadParameter("say a run, or --best METRIC, and not both")
    with connect(root) as client:
        if best is not None:
            _show_best(client, best, experiment, goal, json)
            return
        found = client.runs.resolve(str(run))
        values = client.runs.metrics(found)
        figures = client.runs.get(found)["metrics"]
    if json:
        print_json(values)
        return
    for problem in values["problems"]:
        say(problem)
    if values["params"]:
        print_table(("PARAM", "VALUE"), [(shortened(name), value[:60]) for name, value in values["params"].items()])
    if not values["metrics"]:
        say(f"{found} has logged no metrics")
        return
    rows = []
    for name, value in values["metrics"].items():
        shown = shortened(name)
        if name in figures:
            each = figures[name]
            rows.append((shown, figure(each["last"]), figure(each["min"]), figure(each["max"]), str(each["count"])))
        else:
            rows.append((shown, figure(value)[:60], "", "", ""))
    print_table(("METRIC", "LAST", "MIN", "MAX", "COUNT"), rows)


def _show_best(client: Client, metric: str, experiment: str | None, goal: str | None, json: bool) -> None:
    page = client.runs.page(sort=metric, goal=goal, experiment=experiment, limit=1)
    if not page["runs"]:
        where = f" in {experiment}" if experiment else ""
        say(f"no run{where} has a metric {metric!r} with numbers")
        raise typer.Exit(NOT_FOUND)
    run = page["runs"][0]
    value = _best(run, metric, page["goal"])
    if json:
        print_json({"metric": metric, "goal": page["goal"], "value": value, "truncated": page["truncated"], "run": run})
        return
    chosen = "" if goal else ", as its name suggests; --goal says otherwise"
    print_fields(
        (("run", run["runId"]), (metric, f"{figure(value)}  ({page['goal']}{chosen})"), ("status", run["status"]))
    )
    if page["truncated"]:
        say("only the newest 10,000 runs were compared")
