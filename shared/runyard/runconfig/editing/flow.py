"""Edits of values in brackets: YAML's flow style, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runyard.runconfig.editing.nodes import Node

if TYPE_CHECKING:
    from runyard.runconfig.editing.editor import Editor, Place, Plan


def change(editor: Editor, node: Node, plan: Plan, values: tuple[object, object], place: Place) -> None:
    """Change, add and take away members of a collection in brackets."""
    if node.is_bare_pair and plan.dropped:
        replace(editor, node, *values, place)
        return
    if node.is_bare_pair and plan.added:
        editor.edits.replace(node.start, node.start, "{", place.depth)
        editor.edits.replace(node.end, node.end, "}", place.depth - 1)
    for entry, old, value in plan.kept:
        editor.change(entry.node, old, value, editor.place_in(node, entry, place))
    last = len(node.entries) - 1
    if last in plan.dropped and last + 1 in plan.added:
        members = _members(editor, node, plan.added.pop(last + 1))
        entry = node.entries[last]
        editor.edits.replace(entry.start, entry.end, _glue(editor, node).join(members))
        plan.dropped.discard(last)
    _drop(editor, node, plan.dropped)
    for index, added in plan.added.items():
        _add(editor, node, index, _members(editor, node, added), place)


def replace(editor: Editor, node: Node, old: object, new: object, place: Place) -> None:
    """Write a value anew; its anchor and tag, which were the old value's, go."""
    text = editor.leaf(node, old, new, in_flow=True)
    if node.is_empty:
        before = ": " if place.after is None else " "
        editor.edits.replace(node.end, node.end, before + text, place.depth)
        return
    editor.edits.replace(node.start, node.end, text)


def _members(editor: Editor, node: Node, added: list[tuple[str | None, object]]) -> list[str]:
    renderer = editor.renderer if _is_vertical(editor, node) else editor.flat
    indent = editor.source.indent(node.start)
    return [renderer.member(key, value, indent) for key, value in added]


def _is_vertical(editor: Editor, node: Node) -> bool:
    """Whether each member has its own line."""
    first = node.entries[0]
    if not editor.source.same_line(node.content, first.start):
        return True
    return len(node.entries) > 1 and not editor.source.same_line(first.end, node.entries[1].start)


def _indent(editor: Editor, node: Node) -> str:
    """The indentation of members that have their own lines."""
    for entry in reversed(node.entries):
        if editor.source.is_first(entry.start):
            return editor.source.indent(entry.start)
    return editor.source.indent(node.start) + (editor.renderer.style.unit or "  ")


def _glue(editor: Editor, node: Node) -> str:
    if _is_vertical(editor, node):
        return "," + editor.source.eol + _indent(editor, node)
    if len(node.entries) > 1:
        between = editor.source.text[node.entries[0].end : node.entries[1].start]
        if between.strip(" \t") == ",":
            return between
    return editor.renderer.style.comma


def _comma(editor: Editor, node: Node, index: int) -> int | None:
    """Behind the comma that follows a member, if there is one."""
    pos = editor.source.skip(node.entries[index].end)
    return pos + 1 if editor.source.text.startswith(",", pos) else None


def _add(editor: Editor, node: Node, index: int, members: list[str], place: Place) -> None:
    source, edits, glue = editor.source, editor.edits, _glue(editor, node)
    if index == len(node.entries):
        _append(editor, node, members, place)
        return
    behind = _comma(editor, node, index - 1) if index else None
    start = node.entries[index].start
    if _is_vertical(editor, node) and behind is not None and source.is_last(behind):
        lines = [_indent(editor, node) + member + "," for member in members]
        edits.insert_lines(source.next_line(behind), lines, place.depth)
    else:
        edits.replace(start, start, "".join(member + glue for member in members), place.depth)


def _append(editor: Editor, node: Node, members: list[str], place: Place) -> None:
    source, edits, glue = editor.source, editor.edits, _glue(editor, node)
    end = node.entries[-1].end
    comma = _comma(editor, node, len(node.entries) - 1)
    behind = end if comma is None else comma
    if not _is_vertical(editor, node) or not source.is_last(behind):
        edits.replace(end, end, "".join(glue + member for member in members), place.depth)
        return
    if comma is None:
        edits.replace(end, end, ",", place.depth)
    lines = [_indent(editor, node) + member + "," for member in members]
    if comma is None:
        lines[-1] = lines[-1].removesuffix(",")
    edits.insert_lines(source.next_line(behind), lines, place.depth)


def _drop(editor: Editor, node: Node, dropped: set[int]) -> None:
    """Take members away, with a comma each."""
    source, edits, entries = editor.source, editor.edits, node.entries
    if len(dropped) == len(entries) and "#" not in _gaps(editor, node):
        edits.replace(node.content + 1, node.end - 1, "")
        return
    tail = len(entries)  # members from here on all go: the comma before them goes instead of one behind them
    while tail - 1 in dropped:
        tail -= 1
    behind_last = _comma(editor, node, len(entries) - 1)
    if 0 < tail < len(entries) and behind_last is None:
        comma = _comma(editor, node, tail - 1)
        if comma is not None:
            edits.replace(comma - 1, comma, "")
    for index in sorted(dropped):
        entry, behind = entries[index], _comma(editor, node, index)
        end = entry.end if behind is None else behind
        if source.is_first(entry.start) and source.is_last(end):
            edits.cut_lines(entry.start, end)
        elif index < tail:
            edits.replace(entry.start, source.skip_blanks(end), "")
        else:
            edits.replace(source.back_over_blanks(entry.start, entries[index - 1].end if index else 0), end, "")


def _gaps(editor: Editor, node: Node) -> str:
    """What stands between the members."""
    starts = [node.content + 1, *(entry.end for entry in node.entries)]
    ends = [*(entry.start for entry in node.entries), node.end - 1]
    return "".join(editor.source.text[start:end] for start, end in zip(starts, ends, strict=True))
