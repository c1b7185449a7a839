from __future__ import annotations

import logging
import re

from runyard.host.console import ConsoleHandler, line


def record(message: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("runyard.accept", level, "f.py", 1, message, None, None)
    made.__dict__.update(extra)
    return made


def test_a_line_has_time_source_sentence_and_run() -> None:
    made = line(record("accepted exp/a.zip", action="run.accepted", run={"run": "exp_1_abc", "state": "Queued"}))

    assert re.fullmatch(r"\d\d:\d\d:\d\d  run\.accepted     accepted exp/a\.zip  exp_1_abc", made)


def test_without_an_action_the_logger_is_the_source() -> None:
    assert line(record("x", run="r"))[10:] == "accept           x  r"


def test_a_warning_says_that_it_is_one() -> None:
    assert line(record("x", logging.ERROR))[10:] == "accept           error: x"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert line(record("a\x1b[31m\nb"))[10:] == "accept           a\\x1b[31m\\nb"


def test_lines_are_printed_from_the_chosen_level_on() -> None:
    printed: list[str] = []
    handler = ConsoleHandler(printed.append)
    logger = logging.getLogger("runyard.test")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        logger.debug("no")
        logger.info("yes")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert [each.split()[-1] for each in printed] == ["yes"]
