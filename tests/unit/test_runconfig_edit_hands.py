"""Files as people write them by hand, in every form that YAML has for one thing, take any change."""

import random
import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runyard.errors import RunconfigError
from runyard.runconfig.edit import REMOVED, differences, rewrite
from runyard.runconfig.editing.changes import same
from runyard.runconfig.editing.scalars import is_plain, scalar
from runyard.runconfig.yaml12 import load
from tests.unit.test_runconfig_edit_files import replaced
from tests.unit.test_runconfig_edit_random import ODD_TEXTS, places, with_change

PLAIN = (
    "a",
    "two words",
    "http://x/y?z#w",
    "x:y",
    "-1",
    "12",
    "0x1F",
    "1.50",
    "true",
    "~",
    "null",
    "",
    "yes",
    "*.py",
    "a'b",
)


class Hand:
    """Writes a document in forms that are chosen by chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.anchors: list[str] = []

    def one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def document(self) -> str:
        head = self.random.choice(("", "", "", "# head\n", "---\n", "%YAML 1.2\n--- # marked\n", "\n\n"))
        kind = self.random.randrange(8)
        if kind == 0:
            body = self.flow(0, 3) + "\n"
        elif kind == 1:
            body = "\n".join(self.list_lines(self.random.choice((0, 0, 2)), 3)) + "\n"
        else:
            body = "\n".join(self.map_lines(self.random.choice((0, 0, 0, 1)), 3)) + "\n"
        text = head + body + self.random.choice(("", "", "", "# tail\n", "...\n", "\n", "  # tail\n"))
        if self.one_in(5):
            text = text.removesuffix("\n")
        return text.replace("\n", "\r\n") if self.one_in(5) else text

    def remark(self) -> str:
        if not self.one_in(4):
            return ""
        self.count += 1
        return self.random.choice((" ", "   ", "\t")) + f"# r{self.count}"

    def between(self, column: int) -> list[str]:
        lines = []
        while self.one_in(4):
            self.count += 1
            lines.append(self.random.choice(("", " " * column, " " * (column + 2), "")) + f"# b{self.count}")
        if self.one_in(8):
            lines.append(self.random.choice(("", "", "   ")))
        return lines

    def key(self, used: set[str], *, in_flow: bool = False) -> str:
        name = self.random.choice(
            ("a", "b", "Target", "target", "nodeCount", "1", "on", "long key", "x-y", "<<", "=", *ODD_TEXTS)
        )
        while name in used:
            name += self.random.choice("abc")
        used.add(name)
        return scalar(name, self.random.choice(("", "", "", "'", '"')), in_flow=in_flow) or "''"

    def text(self, *, in_flow: bool) -> str:
        kind = self.random.randrange(5)
        if kind < 2:
            word = self.random.choice(PLAIN)
            return word if not in_flow or not re.search(r"[?]", word) else "w"
        value = self.random.choice(ODD_TEXTS)
        if kind == 2 and not is_plain(value, in_flow):
            value = "w"
        return scalar(value, ("'", '"', "")[kind - 2], in_flow=in_flow)

    def properties(self, written: str) -> str:
        if self.one_in(12):
            name = f"n{len(self.anchors)}"
            self.anchors.append(name)
            written = f"&{name} {written}"
        elif self.one_in(20):
            written = f"!!str {written}"
        return written

    def leaf(self, *, in_flow: bool) -> str:
        if self.anchors and self.one_in(6):
            return "*" + self.random.choice(self.anchors) + " "
        return self.properties(self.text(in_flow=in_flow))

    def flow(self, column: int, depth: int) -> str:
        kind = self.random.randrange(3)
        if kind == 0 or depth == 0:
            return self.leaf(in_flow=True) or "''"
        space = self.random.choice(("", " "))
        used: set[str] = set()
        members = []
        for _ in range(self.random.randrange(4)):
            inner = self.flow(column, depth - 1)
            if kind == 1:
                name = self.key(used, in_flow=True)
                member = self.random.choice(
                    (f"{name}: {inner}", f"{name} :  {inner}", f"? {name} : {inner}", f"{name}: {inner}", name)
                )
            else:
                member = self.random.choice((inner, inner, inner, f"pair: {inner}"))
            members.append(member)
        glue = self.random.choice((", ", ",", " , ", ",\n", ",  # in\n", "\n, "))
        if "\n" in glue:
            glue += " " * (column + 2)
            space = self.random.choice(("", " ", "\n" + " " * (column + 1)))
        end = self.random.choice(("", "", ",")) if members else ""
        return self.properties("{["[kind - 1] + space + glue.join(members) + end + space + "}]"[kind - 1])

    def block_text(self, column: int) -> list[str]:
        header = self.random.choice("|>") + self.random.choice(("", "-", "+")) + self.remark()
        lines = [
            self.random.choice(("x", "y: 1", "# no comment", "", "  deeper", "- z"))
            for _ in range(self.random.randrange(4))
        ]
        return [header, *((" " * column + line) if line else "" for line in ["first", *lines][self.one_in(9) :])]

    def value(self, column: int, depth: int, list_column: int) -> list[str]:
        """What stands behind ``:`` or ``-``, and the lines below it."""
        kind = self.random.randrange(10) if depth else self.random.randrange(6)
        if kind < 3:
            return [self.leaf(in_flow=False) + self.remark()]
        if kind == 3:
            return self.block_text(column + self.random.choice((0, 0, 2)))
        if kind == 4:
            return self.random.choice(
                (
                    ["several", " " * column + "lines of words" + self.remark()],
                    ['"several', "", " " * column + 'lines"' + self.remark()],
                    [
                        self.remark(),
                        *self.between(column),
                        " " * column + (self.text(in_flow=False) or "''") + self.remark(),
                    ],
                )
            )
        if kind == 5:
            return (self.flow(column, 2) + self.remark()).split("\n")
        above = [self.properties("").rstrip() + self.remark(), *self.between(column)]
        if kind < 8:
            return [*above, *self.map_lines(column, depth - 1)]
        return [*above, *self.list_lines(list_column, depth - 1)]

    def map_lines(self, column: int, depth: int) -> list[str]:
        lines: list[str] = []
        used: set[str] = set()
        pad = " " * column
        for _ in range(self.random.randrange(1, 4)):
            name = self.key(used)
            first, *rest = self.value(
                column + self.random.choice((1, 2, 2, 4)), depth, column + self.random.choice((0, 0, 2))
            )
            head = self.random.choice((f"{name}:", f"{name}:", f"{name}:", f"{name} :"))
            if self.one_in(15):
                lines += (
                    [f"{pad}? {name}"]
                    if self.one_in(3)
                    else [f"{pad}? {name}{self.remark()}", f"{pad}: {first}", *rest]
                )
            else:
                lines += [f"{pad}{head} {first}".rstrip(" ") if self.one_in(2) else f"{pad}{head} {first}", *rest]
            lines += self.between(column)
        return lines

    def list_lines(self, column: int, depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.random.randrange(1, 4)):
            if depth and self.one_in(3):
                inner = self.random.choice((self.map_lines, self.list_lines))(column + 2, depth - 1)
                first, rest = inner[0][column + 2 :], inner[1:]
            else:
                first, *rest = self.value(column + 2, depth, column + 2)
            lines += [f"{' ' * column}- {first}", *rest, *self.between(column)]
        return lines


def a_value(chance: random.Random, depth: int = 2) -> Any:
    kind = chance.randrange(8 if depth else 5)
    if kind < 3:
        return chance.choice(ODD_TEXTS)
    if kind < 5:
        return chance.choice((None, True, False, 0, -7, 1.5, float("inf"), 10**20, [], {}))
    if kind < 7:
        return {
            chance.choice(("a", "on", "p q", *ODD_TEXTS)): a_value(chance, depth - 1)
            for _ in range(chance.randrange(3))
        }
    return [a_value(chance, depth - 1) for _ in range(chance.randrange(3))]


def changed(document: Any, chance: random.Random) -> Any:
    path, value = chance.choice(list(places(document)))
    kind = chance.randrange(4)
    if kind == 0 and path:
        return with_change(document, path, REMOVED)
    if kind == 1 and isinstance(value, dict):
        return with_change(document, (*path, f"new{chance.randrange(9)}"), a_value(chance))
    if kind == 1 and isinstance(value, list):
        at = chance.randrange(len(value) + 1)
        return with_change(document, path, [*value[:at], a_value(chance), *value[at:]])
    return with_change(document, path, a_value(chance))


def attempt(seed: int) -> bool:
    """Whether the file of this seed was readable; fails if a change to it is not made rightly."""
    text = Hand(seed).document()
    chance = random.Random(seed)
    try:
        document = load(text.encode(), "f")
    except RunconfigError:
        return False
    for _ in range(6):
        expected = document
        for _ in range(chance.choice((1, 1, 2, 3))):
            expected = changed(expected, chance)
        result = rewrite(text.encode(), differences(document, expected), "f")
        assert same(expected, load(result, "f"))
    return True


COMMENT = re.compile(r"# [rb]\d+\b")


def calm(seed: int) -> bool:
    """Whether the file of this seed was readable; fails if setting or adding one value touches more than it must."""
    hand = Hand(seed)
    text = hand.document()
    chance = random.Random(seed)
    try:
        document: Any = load(text.encode(), "f")
    except RunconfigError:
        return False
    if hand.anchors or COMMENT.search(repr(document)) or not text.endswith("\n"):
        return False
    for path, value in places(document):
        if not path or isinstance(value, (dict, list)):
            continue
        result = rewrite(text.encode(), {path: chance.choice(("other", "on", 5, True, "a: b"))}, "f").decode()
        went, came = replaced(text.encode(), result.encode())
        spans = 1 if not isinstance(value, str) else 2 + value.count("\n") + value.count(" ") + value.count("d")
        assert len(came) <= spans, (path, went, came)
        assert len(went) <= spans + 2, (path, went, came)
        assert COMMENT.findall(text) == COMMENT.findall(result)
    for path, value in places(document):
        if isinstance(value, dict) and value:
            result = rewrite(text.encode(), {(*path, "an added key"): "new"}, "f").decode()
            assert COMMENT.findall(text) == COMMENT.findall(result)
            went, came = replaced(text.encode(), result.encode())
            assert "pair:" in text or len(went) <= 2  # `[pair: x]` gets its braces
            assert "pair:" in text or len(came) <= 3
    return True


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 40))
def test_setting_one_value_leaves_every_comment_and_every_other_line(seed: int) -> None:
    assume(calm(seed))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 40))
def test_any_change_to_a_file_written_by_hand_is_made_in_place(seed: int) -> None:
    assume(attempt(seed))
