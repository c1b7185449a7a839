"""One line of conda's ``dependencies``: taken apart, compared with versions, and translated for pip.

The forms are those of conda's match specification: ``name``, ``name=1.2`` (1.2 and what begins with ``1.2.``),
``name==1.2``, ``name=1.2=build``, ``name 1.2.*``, ``name>=1,<2``, ``name 1.2|1.3``, ``channel::name[version='>=1']``.
"""

import re
from typing import List, Optional, Tuple

from ..problems import Problem

Version = Tuple[int, ...]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SPACED = re.compile(r" ?([=<>!~,|]+) ?")
_BRACKET = re.compile(r"""\b(version|build)=(?:'([^']*)'|"([^"]*)"|([^,\]]+))""")
_CLAUSE = re.compile(r"(==|>=|<=|!=|~=|=|<|>)?(.*)")
_ARCHIVE = re.compile(r"([^/]+)-([^/-]+)-([^/-]+)\.(?:tar\.bz2|conda)(?:#[0-9a-f]*)?")
_PEP_440 = re.compile(
    r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre)[-_.]?[0-9]*)?(?:[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?"
    r"(?:[-_.]?dev[-_.]?[0-9]*)?(?:\.\*)?",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class Spec:
    """A conda package that is asked for.

    Attributes:
        text: As it was written.
        name: In lower case.
        channel: Before ``::``; ``""`` for none.
        version: As conda writes constraints, without blanks; ``""`` for any.
        build: ``""`` for any.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        archive = _ARCHIVE.fullmatch(self.text.rpartition("/")[2]) if "/" in self.text else None
        if archive:
            self.channel = self.text.rpartition("/")[0]
            self.name, self.version, self.build = archive.group(1).lower(), "==" + archive.group(2), archive.group(3)
            return
        self.channel, _, wish = self.text.rpartition("::")
        found = _NAME.match(wish.strip())
        if not found:
            raise Problem("%r is no conda package" % text, "user")
        self.name = found.group().lower()
        rest, _, bracket = _SPACED.sub(r"\1", wish.strip()[found.end() :]).strip().partition("[")
        self.version, self.build = _version_and_build(rest.strip())
        for key, *values in _BRACKET.findall(bracket):
            value = next((each for each in values if each), "")
            if key == "build":
                self.build = value
            else:
                self.version = value.replace(" ", "")

    def __str__(self) -> str:
        return self.text


def _version_and_build(rest: str) -> Tuple[str, str]:
    """Of what follows the name: ``=1.2``, ``=1.2=b``, `` 1.2 b``, ``>=1,<2``."""
    version, _, build = rest.partition(" ")
    if version.startswith("=") and not version.startswith("=="):
        first, _, second = version[1:].partition("=")
        # With a build the version is exact; without, it is what begins like that (conda's match specification).
        if second or build:
            return "==" + first, second or build
        return ("=" + first if first not in ("", "*") else ""), ""
    if version.startswith("==") and "=" in version[2:]:
        first, _, second = version[2:].partition("=")
        return "==" + first, second
    if version == "*":
        version = ""
    return version, build


def alternatives(version: str) -> List[List[Tuple[str, str]]]:
    """A constraint as alternatives, each of clauses that must all hold.

    A clause is ``(operator, version)`` with ``==``, ``=`` (begins with), ``!=``, ``!=*`` (does not begin with), ``<``, ``<=``,
    ``>``, ``>=`` or ``~=``.
    """
    result = []
    for part in version.split("|"):
        clauses = []
        for text in part.split(","):
            found = _CLAUSE.fullmatch(text.strip())
            operator, value = (found.group(1) or "", found.group(2)) if found else ("", text)
            if value in ("", "*"):
                continue
            stem = re.sub(r"\.?\*$", "", value)
            if stem != value and operator in ("", "=", "==", "!="):
                operator = "!=*" if operator == "!=" else "="
            clauses.append((operator or "==", stem))
        result.append(clauses)
    return result


def numbers(text: str) -> Version:
    """The numbers that a version begins with."""
    found = _PLAIN.match(text)
    return tuple(int(each) for each in found.group().split(".")) if found else ()


def matches(version: str, found: Version) -> bool:
    """Whether a version, in numbers, is one that a constraint allows."""
    return any(
        all(_holds(operator, numbers(value), found) for operator, value in each) for each in alternatives(version)
    )


def _holds(operator: str, asked: Version, found: Version) -> bool:
    begins = found[: len(asked)] == asked
    if operator in ("=", "!=*"):
        return begins == (operator == "=")
    if operator == "~=":
        return found[: len(asked) - 1] == asked[:-1] and found >= asked
    length = max(len(asked), len(found))
    left, right = (each + (0,) * (length - len(each)) for each in (found, asked))
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def target(version: str) -> Optional[Version]:
    """The version that a constraint is about, to measure nearness from: of a range its lower end, else its upper."""
    wanted: Optional[Version] = None
    for clauses in alternatives(version):
        for operator, value in clauses:
            if operator.startswith("!"):
                continue
            if wanted is None or operator in ("==", "=", ">=", ">", "~="):
                wanted = numbers(value)
    return wanted


def for_pip(spec: Spec) -> Tuple[str, List[str]]:
    """(the constraint as pip writes it, what could not be said in it) of a conda package.

    Raises:
        Problem: if its version is none that PyPI knows.
    """
    lost = ["the build %s is dropped" % spec.build] if spec.build else []
    if not spec.version:
        return "", lost
    choices = alternatives(spec.version)
    if len(choices) > 1:
        lost.append("of its alternatives the last is taken")
    return ",".join(_clause(spec, operator, value) for operator, value in choices[-1]), lost


def _clause(spec: Spec, operator: str, value: str) -> str:
    if not _PEP_440.fullmatch(value):
        raise Problem(
            "%s: %s is no version that pip understands; list the package under 'pip:'" % (spec, value), "user"
        )
    if operator == "=":
        return "==%s.*" % value if _PLAIN.fullmatch(value) else "==" + value
    if operator == "!=*":
        return "!=%s.*" % value
    return operator + value
