"""Two sets of dependencies made one, and requirements of one name joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runyard.environment.conda_document import Document
from runyard.environment.conda_editing import CondaEditing
from runyard.environment.conda_pip import is_option, parse_entry

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def merge_into(ours: CondaEditing, document: Document, theirs: CondaEditing, their_document: Document) -> None:
    """Give ``ours``, whose content is ``document``, what ``theirs`` has; entries that conda or pip refuse are refused.

    Raises:
        RunconfigError: for an entry that cannot be added.
    """
    for channel in theirs.conda_channels:
        ours.add_channel(channel)
    for package in theirs.conda_packages:
        ours.add_conda_package(package)
    for option in theirs.pip_options:
        ours.set_pip_option(option)
    for entry in theirs.pip_packages:
        ours.add_pip_package(entry)
    if their_document.get("variables"):
        document["variables"] = {**document.get("variables", {}), **their_document["variables"]}


def merged_requirements(entries: list[str]) -> list[str]:
    """Entries with those of one name and marker joined, each where its name stood first; repeated lines once."""
    joined: dict[tuple[str, str], list[Requirement]] = {}
    result: dict[tuple[str, str], str] = {}
    for entry in entries:
        found = _joinable(entry)
        if found is None:
            result[(entry, "")] = entry
            continue
        key = (parse_entry(entry).key, str(found.marker or ""))
        joined.setdefault(key, []).append(found)
        result[key] = entry if len(joined[key]) == 1 else _join(joined[key])
    return list(result.values())


def _joinable(entry: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only where there are packages

    if is_option(entry) or " --" in entry or len(entry) > 4096:
        return None
    try:
        found = Requirement(entry)
    except (InvalidRequirement, RecursionError):
        return None
    return None if found.url else found


def _join(found: list[Requirement]) -> str:
    extras = ",".join(dict.fromkeys(extra for each in found for extra in sorted(each.extras)))
    wanted = ",".join(dict.fromkeys(str(clause) for each in found for clause in each.specifier))
    marker = f"; {found[0].marker}" if found[0].marker else ""
    return f"{found[0].name}{f'[{extras}]' if extras else ''}{wanted}{marker}"
