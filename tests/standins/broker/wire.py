"""AMQP messages as bytes: taken apart into sections and put together again, the body untouched.

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html#section-message-format
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from proton import Data, Described, uint, ulong

HEADER: Final = 0x70
ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION: Final = 0x74
DATA: Final = 0x75
_DELIVERY_ANNOTATIONS: Final = 0x71
_FOOTER: Final = 0x78
_MESSAGE_ID: Final = 0
_SHORT: Final = 0xA0
_LONG: Final = 0xB0


@dataclass(kw_only=True)
class Parts:
    """A message: what a broker reads and writes of it, and the bytes of its body."""

    header: list[Any] = field(default_factory=list)
    annotations: dict[Any, Any] = field(default_factory=dict)
    properties: list[Any] = field(default_factory=list)
    application: dict[Any, Any] = field(default_factory=dict)
    body: bytes = b""
    """The body's sections, as they came."""
    data: list[bytes] = field(default_factory=list)
    """What is in the data sections among them."""

    @property
    def message_id(self) -> Any:
        return self.properties[_MESSAGE_ID] if self.properties else None

    def batch(self) -> list[bytes]:
        """The messages of a batch, of which each data section is one; empty if it is a message of its own.

        Service Bus tells by the message format (0x80013700), which proton does not show.
        """
        return self.data if self.data and all(_is_message(each) for each in self.data) else []


def parse(raw: bytes) -> Parts:
    """Take a message apart.

    Raises:
        ValueError: if it is none.
    """
    parts = Parts()
    offset = 0
    while offset < len(raw):
        code = _code(raw, offset)
        if code == DATA:
            content, after = _binary(raw, offset + 3)
            parts.data.append(content)
            parts.body += raw[offset:after]
            offset = after
            continue
        value, used = _decode(raw[offset:])
        if code == HEADER:
            parts.header = list(value)
        elif code == ANNOTATIONS:
            parts.annotations = dict(value)
        elif code == PROPERTIES:
            parts.properties = list(value)
        elif code == APPLICATION:
            parts.application = dict(value)
        elif code != _DELIVERY_ANNOTATIONS:
            parts.body += raw[offset : offset + used]
        offset += used
    return parts


def build(parts: Parts, *, delivery_count: int, annotations: dict[Any, Any]) -> bytes:
    """Put a message together, with annotations of the broker's on top."""
    header = [*parts.header, *[None] * 5][:5]
    header[4] = uint(delivery_count)
    made = _section(HEADER, header) + _section(ANNOTATIONS, parts.annotations | annotations)
    if parts.properties:
        made += _section(PROPERTIES, parts.properties)
    if parts.application:
        made += _section(APPLICATION, parts.application)
    return made + parts.body


def _section(code: int, value: Any) -> bytes:
    data = Data()
    data.put_object(Described(ulong(code), value))
    return bytes(data.encode())


def _decode(raw: bytes) -> tuple[Any, int]:
    data = Data()
    used = data.decode(raw)
    data.rewind()
    data.next()
    found = data.get_object()
    if not isinstance(found, Described):
        raise ValueError("a section of a message is a described value")  # noqa: TRY004 - the caller knows one error
    return found.value, int(used)


def _code(raw: bytes, offset: int) -> int:
    if raw[offset : offset + 2] == b"\x00\x53" and offset + 2 < len(raw):
        return raw[offset + 2]
    if raw[offset : offset + 2] == b"\x00\x80" and offset + 10 <= len(raw):
        return int.from_bytes(raw[offset + 2 : offset + 10])
    raise ValueError("a section of a message begins with its descriptor")


def _binary(raw: bytes, offset: int) -> tuple[bytes, int]:
    if raw[offset] == _SHORT:
        begin, size = offset + 2, raw[offset + 1]
    elif raw[offset] == _LONG:
        begin, size = offset + 5, int.from_bytes(raw[offset + 1 : offset + 5])
    else:
        raise ValueError("a data section holds binary")
    if begin + size > len(raw):
        raise ValueError("a data section is cut off")
    return raw[begin : begin + size], begin + size


def _is_message(content: bytes) -> bool:
    return len(content) > 3 and content[:2] == b"\x00\x53" and HEADER <= content[2] <= _FOOTER
