"""``runyard queue``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runyard.cli.context import Json, Root, connect, root_of, seconds
from runyard.cli.outcome import say
from runyard.cli.show import age, print_json, print_table
from runyard.cli.up import next_step

app = typer.Typer(name="queue", help="Queues: look, send, send again.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="Such as submissions.")]


@app.command("list")
def list_queues(json: Json = False, root: Root = None) -> None:
    """List queues and how many messages each holds."""
    with connect(root) as client:
        counts = client.queues.counts()
    if json:
        print_json({"queues": [{"name": name, "messages": count} for name, count in counts.items()]})
    else:
        print_table(("QUEUE", "MESSAGES"), [(name, str(count)) for name, count in counts.items()])


@app.command("send")
def send(
    name: Name,
    body: Annotated[str | None, typer.Argument(metavar="[BODY]", help="The message; - reads standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file that holds the message.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="AGE", help="To be seen not before this, such as 10m.")] = None,
    json: Json = False,
    root: Root = None,
) -> None:
    """Send a message."""
    if (body is None) == (file is None):
        raise typer.BadParameter("say the message, - for standard input, or --file, and only one of them")
    data = _body(str(body)) if file is None else file.read_bytes()
    with connect(root) as client:
        sent = client.queues.send(name, data, delay=seconds(delay, "--delay") or 0.0)
        if json:
            print_json(sent)
        else:
            print(sent["messageId"])
        if not sent["known"]:
            say(f"nothing of Runyard's own listens to {name!r}; `runyard queue list` shows its queues")
        elif client.embedded:
            next_step(root_of(root))


def _body(text: str) -> bytes:
    return sys.stdin.buffer.read() if text == "-" else text.encode()


@app.command("peek")
def peek(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    json: Json = False,
    root: Root = None,
) -> None:
    """Look at messages, oldest first; they stay where they are."""
    with connect(root) as client:
        found = client.queues.peek(name, limit=limit)
    if json:
        print_json({"queue": name, "messages": found})
        return
    if not found:
        say(f"{name} is empty")
        return
    rows = []
    for each in found:
        why = each["deadLetterReason"] or each["properties"].get("reason", "")
        text = each["body"] if each["encoding"] == "text" else f"({len(each['body'])} characters of base64)"
        rows.append(
            (each["id"], age(each["enqueuedTimeUtc"]), str(each["deliveryCount"]), f"{why}  {text}".strip()[:500])
        )
    print_table(("MESSAGE", "AGE", "TRIES", "BODY"), rows)


@app.command("redrive")
def redrive(
    source: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Only messages that came from this queue.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    json: Json = False,
    root: Root = None,
) -> None:
    """Send messages that could not be handled back to the queue they came from."""
    with connect(root) as client:
        count = client.queues.redrive(source=source, most=most)
    if json:
        print_json({"redriven": count})
    else:
        print(f"{count} messages were sent again")
