"""How a command ends: exit codes, and errors as one sentence on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from runyard.errors import AuthError, NotFoundError, RunyardError, StorageFullError, TargetError

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CANCELED: Final = 3
NOT_FOUND: Final = 4
REFUSED: Final = 5
UNREACHABLE: Final = 6
STORAGE_FULL: Final = 7
TIMED_OUT: Final = 8
INTERRUPTED: Final = 130

CODES: Final = (
    (OK, "done"),
    (FAILED, "the run failed, or what was asked for cannot be"),
    (USAGE, "the command line is wrong"),
    (CANCELED, "the run was canceled"),
    (NOT_FOUND, "there is no such run, file, compute or webhook"),
    (REFUSED, "refused: a token, a signature or a permission is wrong"),
    (UNREACHABLE, "the host or a compute does not answer"),
    (STORAGE_FULL, "the disk is full"),
    (TIMED_OUT, "the time was up before it was done"),
    (INTERRUPTED, "interrupted"),
)
"""What the exit codes mean, for help and docs."""

OF_STATUS: Final = {"Completed": OK, "Failed": FAILED, "Canceled": CANCELED}

_OF_ERROR: Final[tuple[tuple[type[RunyardError], int], ...]] = (
    (NotFoundError, NOT_FOUND),
    (AuthError, REFUSED),
    (StorageFullError, STORAGE_FULL),
    (TargetError, UNREACHABLE),
)


def code_of(error: RunyardError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in _OF_ERROR if isinstance(error, kind)), FAILED)


def say(text: str) -> None:
    """Tell the user something that is not the result: it goes to stderr."""
    from runyard.cli.terminal import plain  # noqa: PLC0415

    print(plain(text), file=sys.stderr)


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors into one sentence and an exit code; with ``RUNYARD_DEBUG=1`` they show where they come from."""
    try:
        yield
    except RunyardError as error:
        _debug()
        say(f"runyard: {error.message}")
        raise typer.Exit(code_of(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _forget_stdout()
        raise typer.Exit(OK) from None
    except OSError as error:
        _debug()
        where = f" ({error.filename})" if error.filename else ""
        say(f"runyard: {error.strerror or error}{where}")
        raise typer.Exit(FAILED) from None


def unexpected(error: Exception) -> int:
    """Say that something went wrong in Runyard itself."""
    say(f"runyard: this is a bug in runyard: {type(error).__name__}; set RUNYARD_DEBUG=1 to see where, and report it")
    return FAILED


def is_debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("RUNYARD_DEBUG", "") not in {"", "0"}


def _debug() -> None:
    if is_debugging():
        import traceback  # noqa: PLC0415

        traceback.print_exc()


def _forget_stdout() -> None:
    """Nobody reads any more; without this the interpreter complains when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
