"""What a tool's failure is, as one sentence that names the package, and whether another try may do better."""

import re
from typing import Any, Iterable, List, Optional

from .running import Outcome

_NETWORK = re.compile(
    r"connection refused|connection reset|connection aborted|connection broken|connection timed out|read timed out|connect timeout|"
    r"operation timed out|request timed out|temporary failure in name resolution|name or service not known|"
    r"failed to establish a new connection|dns error|network is unreachable|no route to host|could not resolve host|"
    r"error sending request|failed to fetch|could not connect|condahttperror|connection failed|"
    r"(?:status code|http error|http status|server error|error code|status)\W{0,12}(?:server error\W{1,3})?5[0-9]{2}\b|"
    r"\b50[0234] (?:server error|bad gateway|service unavailable|gateway time-?out|internal server error)",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"\b40[13] (?:client error|unauthorized|forbidden)|(?:status code|http error|http status|status)\W{0,12}(?:client error\W{1,3})?40[13]\b|"
    r"user for .*:|invalid credentials|credentials not correct|authentication (?:failed|required|error)",
    re.IGNORECASE,
)
_OFFLINE = re.compile(
    r"network (?:connectivity )?is disabled|network was disabled|--offline|UV_OFFLINE|offline mode", re.IGNORECASE
)
_NO_ROOM = re.compile(r"no space left on device|disk quota exceeded|os error 28\b|errno 28\b", re.IGNORECASE)
_NAME = r"[`'\"]?([A-Za-z0-9][A-Za-z0-9._-]*)"
_UNKNOWN = (
    re.compile(r"No matching distribution found for %s" % _NAME),
    re.compile(r"Could not find a version that satisfies the requirement %s" % _NAME),
    re.compile(r"Because %s was not found in" % _NAME),
    re.compile(r"(?:Because )?there (?:is|are) no versions? of %s" % _NAME),
    re.compile(r"Because only (?:the following versions of )?%s" % _NAME),
    re.compile(r"^%s requires Python '" % _NAME, re.MULTILINE),
    re.compile(r"No candidates were found for %s" % _NAME),
    re.compile(r"(?:PackagesNotFoundError|ResolvePackageNotFound)\W[\s\S]{0,120}?- (?:\S+::)?%s" % _NAME),
    re.compile(r"nothing provides (?:requested )?%s" % _NAME),
    re.compile(r"- %s (?:\S+ )?does not exist" % _NAME),
)
_BUILT = (
    re.compile(r"Failed building wheel for %s" % _NAME),
    re.compile(r"Failed to (?:download and )?build %s" % _NAME),
    re.compile(r"Could not build wheels for %s" % _NAME),
    re.compile(r"Command .*egg_info.* failed .* in \S*/%s/?$" % _NAME, re.MULTILINE),
    re.compile(r"Failed to download %s" % _NAME),
    re.compile(r"Running setup\.py install for %s: finished with status 'error'" % _NAME),
)
_REFUSED_HASH = (
    re.compile(r"DO NOT MATCH THE HASHES[^\n]*\n\s*(?:unknown package:)?\s*%s" % _NAME),
    re.compile(r"Hash mismatch for %s" % _NAME),
)
_AT_ODDS = (
    re.compile(r"Cannot install (.+?) because these package versions have conflicting dependencies"),
    re.compile(r"Double requirement given: (\S+) .*?already in (\S+)"),
    re.compile(r"Because you require (\S+) and (\S+), we can conclude that your requirements are unsatisfiable"),
    re.compile(r"Because ((?:all versions of )?\S+ depends? on \S+) and .*your requirements are unsatisfiable"),
)
"""Where lines are joined: uv breaks its sentences."""
_PREPARED_BADLY = re.compile(
    r"subprocess-exited-with-error|python setup\.py egg_info|metadata-generation-failed", re.IGNORECASE
)
_BY_GIT = re.compile(r"git (?:clone|fetch|checkout) [^\n]*did not run successfully")
_AT_HAND = re.compile(r"^\s*(?:Collecting|Processing) (\S+)", re.MULTILINE)


class Failure(Exception):  # noqa: N818 - it becomes a problem
    """A tool failed: one sentence, the word of the retry table, and the last lines of the tool.

    ``unknown`` is the package that an index does not have, if that was it.
    """

    def __init__(self, message: str, error_class: str, tail: List[str], unknown: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.error_class = error_class
        self.tail = tail
        self.unknown = unknown


def is_network_trouble(text: str) -> bool:
    """Whether a tool says that it did not reach an index or channel."""
    return _NETWORK.search(text) is not None


def package_in(text: str) -> Optional[str]:
    """The package that a tool names as the one that failed."""
    return _first(_BUILT, text) or _first(_UNKNOWN, text)


def _first(patterns: Iterable[Any], text: str) -> Optional[str]:
    for pattern in patterns:
        found = pattern.search(text)
        if found:
            return str(re.sub(r"(?:[=<>!~].*|[.,:;]+$)", "", found.group(1)))
    return None


def failure_of(tool: str, outcome: Outcome, no_index: bool = False) -> Failure:
    """What the failure of a resolver or installer was.

    Network trouble is ``transient``, and nothing else is: what an index answers it will answer again.
    """
    text = outcome.text
    package = package_in(text)
    about = " (package %s)" % package if package else ""
    if _NO_ROOM.search(text):
        return Failure(
            "%s found no room on the disk%s; 'runyard env prune' makes some" % (tool, about), "quota", outcome.tail
        )
    if _OFFLINE.search(text):
        sentence = "%s may not use the network here%s; let it, or name a folder with the packages by --find-links"
        return Failure(sentence % (tool, about), "user", outcome.tail)
    if is_network_trouble(text):
        sentence = (
            "%s could not reach an index%s; see whether this machine has a network, or name an index that it reaches"
        )
        return Failure(sentence % (tool, about), "transient", outcome.tail)
    if _REFUSED.search(text):
        sentence = "an index refused %s's credentials%s; put valid ones into its URL or the tool's settings"
        return Failure(sentence % (tool, about), "config", outcome.tail)
    unknown = "" if _first(_BUILT, text) else _first(_UNKNOWN, text) or ""
    return Failure(_users(tool, outcome, no_index), "user", outcome.tail, unknown)


def _users(tool: str, outcome: Outcome, no_index: bool) -> str:
    """What a user can do about packages that an index answered for."""
    text = outcome.text
    built, unknown = _first(_BUILT, text), _first(_UNKNOWN, text)
    hashed = _first(_REFUSED_HASH, text)
    at_odds = _at_odds(text)
    if hashed:
        return "the package %s is not what its hash says; look at where it came from, or correct the hash" % hashed
    if at_odds:
        return "%s cannot install these together: %s; loosen or drop one of their versions" % (tool, at_odds)
    if _BY_GIT.search(text):
        where = (_AT_HAND.findall(text) or ["a package"])[-1]
        return "%s could not get %s by git; see whether its address and revision are right and reached from here" % (
            tool,
            where,
        )
    if built or (not unknown and _PREPARED_BADLY.search(text)):
        # A step before the build is told without a name: it was that of the package collected last.
        named = built or (_AT_HAND.findall(text) or [""])[-1]
        what = "the package %s" % named if named else "one of the packages"
        return "%s could not build %s; ask for a version that has a wheel for this Python" % (tool, what)
    if unknown:
        if no_index:
            sentence = "%s found no fitting %s, and may ask no index (no-index is set)"
        else:
            sentence = "%s found no fitting version of the package %s; its name or version may not exist there"
        return sentence % (tool, unknown)
    return "%s could not install the packages (exit code %d)" % (tool, outcome.code)


def _at_odds(text: str) -> str:
    joined = re.sub(r"\s+", " ", text)
    found = next((each for each in (pattern.search(joined) for pattern in _AT_ODDS) if each), None)
    return " and ".join(found.groups()) if found else ""
