"""Reads Bicep files and works out what they would deploy: every name, loop, condition and module, without Azure.

The tree is that of tree-sitter's grammar. What only Azure can tell (a resource's properties, a hash) stays a :class:`Unknown`,
which is a text that names it. What the compiler would refuse raises :class:`BicepError`: an undeclared name, a parameter that a
module lacks or does not have, a value of another type or outside of its bounds, an output that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import tree_sitter
import tree_sitter_bicep

from tests.infra.functions import FUNCTIONS, Unknown

_PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
_ESCAPES: Final = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": dict,
}
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    "&&": lambda left, right: left and right,
    "||": lambda left, right: left or right,
}

Node = tree_sitter.Node


class BicepError(Exception):
    """What the compiler would refuse."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource that is deployed."""

    type: str
    version: str
    name: str
    """With its parents' names: ``account/default/runs``."""
    symbol: str
    body: Mapping[str, Any]
    file: str

    @property
    def id(self) -> Unknown:
        """What stands for its id."""
        return Unknown(f"{self.type}:{self.name}")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter, and what its decorators say."""

    type: str
    default: Node | None
    decorators: Mapping[str, Any]


@dataclass(kw_only=True)
class Source:
    """A file's declarations."""

    path: Path
    root: Node
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Node] = field(default_factory=dict)
    resources: dict[str, Node] = field(default_factory=dict)
    modules: dict[str, Node] = field(default_factory=dict)
    outputs: dict[str, Node] = field(default_factory=dict)

    def unused(self) -> set[str]:
        """Parameters and variables that nothing reads."""
        read = {text(node) for node in walk(self.root) if node.type == "identifier" and not _declares(node)}
        return {*self.parameters, *self.variables} - read


def text(node: Node) -> str:
    """A node's source."""
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it."""
    yield node
    for child in node.children:
        yield from walk(child)


def _declares(node: Node) -> bool:
    parent = node.parent
    assert parent is not None
    first = parent.named_children[0] == node
    return first and (parent.type.endswith("_declaration") or parent.type == "object_property")


def read_source(path: Path, content: str | None = None) -> Source:
    """Parse a file, or ``content`` in its place."""
    root = _PARSER.parse((path.read_text() if content is None else content).encode()).root_node
    for node in walk(root):
        if node.type == "ERROR" or node.is_missing:
            raise BicepError(f"{path.name}:{node.start_point.row + 1}: this is no Bicep: {text(node)[:60]!r}")
    source = Source(path=path, root=root)
    decorators: dict[str, Any] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorator(child) for child in node.named_children)
            continue
        _declare(source, node, decorators)
        decorators = {}
    return source


def _declare(source: Source, node: Node, decorators: Mapping[str, Any]) -> None:
    if node.type in {"comment", "target_scope_assignment"}:
        return
    name, last = text(node.named_children[0]), node.named_children[-1]
    if node.type == "parameter_declaration":
        kind = node.named_children[1]
        default = None if last == kind else last
        source.parameters[name] = Parameter(type=text(kind), default=default, decorators=decorators)
    elif node.type == "variable_declaration":
        source.variables[name] = last
    elif node.type == "resource_declaration":
        source.resources[name] = node
    elif node.type == "module_declaration":
        source.modules[name] = node
    elif node.type == "output_declaration":
        source.outputs[name] = last
    else:
        raise BicepError(f"{source.path.name}:{node.start_point.row + 1}: {node.type} is not known here")


def _decorator(node: Node) -> tuple[str, Any]:
    call = node.named_children[0]
    arguments = call.named_children[1].named_children
    value = Evaluation(Source(path=Path("decorator"), root=node), {}, {}).value(arguments[0], {}) if arguments else None
    return text(call.named_children[0]), value


@dataclass(kw_only=True)
class Module:
    """A deployed module, for whoever asks for its outputs."""

    evaluation: Evaluation


class Evaluation:
    """One file, deployed with parameters."""

    def __init__(self, source: Source, parameters: Mapping[str, Any], overlay: Mapping[str, str]) -> None:
        self.source = source
        self.overlay = overlay
        self._given = parameters
        self._known: dict[str, Any] = {}
        self._check_given()

    def _check_given(self) -> None:
        where = self.source.path.name
        if unknown := set(self._given) - set(self.source.parameters):
            raise BicepError(f"{where} has no parameter {sorted(unknown)}")
        for name, parameter in self.source.parameters.items():
            if name not in self._given and parameter.default is None:
                raise BicepError(f"{where} needs the parameter {name}")
            self._check_value(name, parameter, self._resolve(name))

    def _check_value(self, name: str, parameter: Parameter, value: Any) -> None:
        where = f"{self.source.path.name}: {name} = {value!r}"
        wanted = _TYPES[parameter.type]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise BicepError(f"{where} is no {parameter.type}")
        says = parameter.decorators
        size = _size(value)
        low = says.get("minValue", says.get("minLength"))
        high = says.get("maxValue", says.get("maxLength"))
        if "allowed" in says and value not in says["allowed"]:
            raise BicepError(f"{where} is not allowed")
        if (low is not None and size < low) or (high is not None and size > high):
            raise BicepError(f"{where} is out of bounds")

    def resources(self) -> Iterator[Resource]:
        """Everything that is deployed, modules' resources too."""
        for name, node in self.source.resources.items():
            if " existing " not in text(node).split("{", 1)[0]:
                found = self._resolve(name)
                yield from (item for item in (found if isinstance(found, list) else [found]) if item is not None)
        for name in self.source.modules:
            module = self._resolve(name)
            if module is not None:
                yield from module.evaluation.resources()

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """Its outputs."""
        return {name: self.value(node, {}) for name, node in self.source.outputs.items()}

    def _resolve(self, name: str, at: Node | None = None) -> Any:
        if name not in self._known:
            self._known[name] = self._first(name, at)
        return self._known[name]

    def _first(self, name: str, at: Node | None) -> Any:
        source = self.source
        if name in self._given:
            return self._given[name]
        if name in source.parameters:
            default = source.parameters[name].default
            assert default is not None
            return self.value(default, {})
        if name in source.variables:
            return self.value(source.variables[name], {})
        if name in source.resources:
            return self._deploy(source.resources[name], self._resource)
        if name in source.modules:
            return self._deploy(source.modules[name], self._module)
        line = at.start_point.row + 1 if at is not None else 0
        raise BicepError(f"{source.path.name}:{line}: {name} is not declared")

    def _deploy(self, node: Node, make: Callable[[Node, Node, Mapping[str, Any]], Any]) -> Any:
        body = node.named_children[-1]
        if body.type == "for_statement":
            return [make(node, inner, local) for inner, local in self._each(body, {})]
        if body.type == "if_statement":
            condition, inner = body.named_children
            made = make(node, inner, {})  # what is not deployed must be right all the same
            return made if self.value(condition, {}) else None
        return make(node, body, {})

    def _resource(self, node: Node, body: Node, local: Mapping[str, Any]) -> Resource:
        kind, _, version = self.value(node.named_children[1], {}).partition("@")
        values = self.value(body, local)
        parent = values.get("parent")
        name = f"{parent.name}/{values['name']}" if parent is not None else values["name"]
        return Resource(
            type=kind,
            version=version,
            name=name,
            symbol=text(node.named_children[0]),
            body=values,
            file=self.source.path.name,
        )

    def _module(self, node: Node, body: Node, local: Mapping[str, Any]) -> Module:
        path = self.source.path.parent / self.value(node.named_children[1], {})
        source = read_source(path, self.overlay.get(path.name))
        return Module(evaluation=Evaluation(source, self.value(body, local).get("params", {}), self.overlay))

    def _each(self, node: Node, local: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
        variable, over, body = node.named_children
        if variable.type != "identifier":
            raise BicepError(f"{self.source.path.name}: a loop with an index is not known here")
        for item in self.value(over, local):
            yield body, {**local, text(variable): item}

    def value(self, node: Node, local: Mapping[str, Any]) -> Any:
        """What an expression is."""
        reader = getattr(self, f"_read_{node.type}", None)
        if reader is None:
            raise BicepError(f"{self.source.path.name}:{node.start_point.row + 1}: {node.type} is not known here")
        return reader(node, local)

    def _read_string(self, node: Node, local: Mapping[str, Any]) -> str:
        parts: list[str] = []
        unknown = False
        for child in node.named_children:
            part = self.value(child.named_children[0], local) if child.type == "interpolation" else _plain(child)
            unknown |= isinstance(part, Unknown)
            parts.append(str(part))
        return Unknown("".join(parts)) if unknown else "".join(parts)

    def _read_number(self, node: Node, local: Mapping[str, Any]) -> int:
        del local
        return int(text(node))

    def _read_boolean(self, node: Node, local: Mapping[str, Any]) -> bool:
        del local
        return text(node) == "true"

    def _read_null(self, node: Node, local: Mapping[str, Any]) -> None:
        del node, local

    def _read_array(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        return [self.value(child, local) for child in node.named_children if child.type != "comment"]

    def _read_for_statement(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        return [self.value(body, inner) for body, inner in self._each(node, local)]

    def _read_object(self, node: Node, local: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in node.named_children:
            if item.type == "object_property":
                key, value = item.named_children
                found[text(key) if key.type == "identifier" else self.value(key, local)] = self.value(value, local)
        return found

    def _read_identifier(self, node: Node, local: Mapping[str, Any]) -> Any:
        name = text(node)
        return local[name] if name in local else self._resolve(name, node)

    def _read_parenthesized_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        return self.value(node.named_children[0], local)

    def _read_ternary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        condition, consequence, alternative = node.named_children
        return self.value(consequence if self.value(condition, local) else alternative, local)

    def _read_unary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        value = self.value(node.named_children[0], local)
        return not value if text(node).startswith("!") else -value

    def _read_binary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        left, right = (self.value(child, local) for child in node.named_children)
        return _OPERATORS[text(node.children[1])](left, right)

    def _read_subscript_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        whole, index = (self.value(child, local) for child in node.named_children)
        return whole[index]

    def _read_call_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        name, arguments = node.named_children
        return FUNCTIONS[text(name)](*(self.value(child, local) for child in arguments.named_children))

    def _read_member_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        whole, member = self.value(node.named_children[0], local), text(node.named_children[1])
        if isinstance(whole, Unknown):
            return Unknown(f"{whole}.{member}")
        if isinstance(whole, Resource) and member == "name" and "/" in whole.name:
            raise BicepError(
                f"{self.source.path.name}: say the name of {whole.symbol} by a variable; a child's is easily mistaken"
            )
        if isinstance(whole, Resource):
            return {"id": whole.id, "name": whole.name}.get(member, Unknown(f"{whole.symbol}.{member}"))
        if isinstance(whole, Module):
            whole = {"outputs": whole.evaluation.outputs}
        if not isinstance(whole, Mapping) or member not in whole:
            raise BicepError(f"{self.source.path.name}:{node.start_point.row + 1}: there is no {member}")
        return whole[member]


def _size(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def _plain(node: Node) -> str:
    return _ESCAPES[text(node)] if node.type == "escape_sequence" else text(node)


def evaluate(path: Path, parameters: Mapping[str, Any], overlay: Mapping[str, str] | None = None) -> Evaluation:
    """Work out a file; ``overlay`` puts contents in the place of files, by their names."""
    overlay = overlay or {}
    return Evaluation(read_source(path, overlay.get(path.name)), parameters, overlay)
