# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickled data without pickle: the reply of a fail2ban server, read by an interpreter that knows only data.

This module util is PRIVATE to the collection: it may change at any time.

The standard library's unpickler imports and calls what the bytes name. Here a name stays a name: nothing is imported and
nothing is called, except that the texts, sets and lists of Python's own that fail2ban wraps its addresses into become
what they hold. Everything else becomes a Stub. Source of the opcodes: CPython, Lib/pickletools.py, protocols 2 to 5.
"""

from __future__ import annotations

import dataclasses
import struct
import typing as t

#: Numbers larger than this are none of fail2ban's.
MAX_INT_BYTES = 16
MAX_NODES = 2_000_000
MAX_DEPTH = 40
NEWEST_PROTOCOL = 5

_BUILTINS = ("builtins", "__builtin__")
_TEXTS = ("str", "unicode")
_COLLECTIONS = ("set", "frozenset", "list", "tuple")


class NotData(ValueError):
    """The bytes are no pickled data of the kind a fail2ban server sends."""


class Truncated(NotData):
    """The bytes end before the data does."""


class NewerProtocol(NotData):
    """Written by a newer pickle protocol than is known here."""


@dataclasses.dataclass
class Stub:
    """Something of a class that is not known here, such as an exception: its name and what it was made of."""

    name: str
    arguments: list[t.Any] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        short = self.name.rpartition(".")[2]
        said = ", ".join(str(one) for one in self.arguments if isinstance(one, (str, int, float)))
        return f"{short}: {said}" if said else short


class _Mark:
    """Where a run of items begins on the stack."""


_MARK = _Mark()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0:
            raise NotData("a negative length")
        end = self.at + count
        if end > len(self.data):
            raise Truncated("the data ends too early")
        found = self.data[self.at:end]
        self.at = end
        return found

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise Truncated("the data ends too early")
        found = self.data[self.at:end]
        self.at = end + 1
        return _text(found)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Machine:
    """The stack machine. Values are plain; lists, dicts and sets are made anew, so they are ours alone."""

    def __init__(self, data: bytes) -> None:
        self.reader = _Reader(data)
        self.stack: list[t.Any] = []
        self.memo: dict[int, t.Any] = {}

    def run(self) -> t.Any:
        while True:
            code = self.reader.take(1)
            if code == b".":
                return self.pop()
            known = _OPCODES.get(code)
            if known is None:
                raise NotData(f"opcode {code!r} is not data")
            known(self)

    def pop(self) -> t.Any:
        if not self.stack:
            raise NotData("the stack is empty")
        return self.stack.pop()

    def pop_value(self) -> t.Any:
        value = self.pop()
        if value is _MARK:
            raise NotData("a mark is no value")
        return value

    def top(self) -> t.Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise NotData("the stack is empty")
        return self.stack[-1]

    def to_mark(self) -> list[t.Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                found = self.stack[index + 1:]
                del self.stack[index:]
                return found
        raise NotData("there is no mark")

    def push(self, value: t.Any) -> None:
        self.stack.append(value)


def _take_list(machine: _Machine, value: t.Sequence[t.Any]) -> None:
    target = machine.top()
    if not isinstance(target, list):
        raise NotData("items for something that is no list")
    target.extend(value)


def _take_pairs(machine: _Machine, items: t.Sequence[t.Any]) -> None:
    target = machine.top()
    if not isinstance(target, dict) or len(items) % 2:
        raise NotData("pairs for something that is no mapping")
    for key, value in zip(items[::2], items[1::2]):
        if isinstance(key, list):
            key = str(key)
        elif not isinstance(key, (str, int, float, bytes, bool, type(None))):
            raise NotData("a key that is no plain value")
        target[key] = value


def _proto(machine: _Machine) -> None:
    version = machine.reader.number("<B")
    if version > NEWEST_PROTOCOL:
        raise NewerProtocol(f"pickle protocol {version}")


def _integer(machine: _Machine, length: int) -> None:
    if length > MAX_INT_BYTES:
        raise NotData("a number that is too large")
    machine.push(int.from_bytes(machine.reader.take(length), "little", signed=True))


def _remember(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.top()


def _recall(machine: _Machine, index: int) -> None:
    if index not in machine.memo:
        raise NotData("something that was never remembered")
    machine.push(machine.memo[index])


def _name(machine: _Machine, module: t.Any, name: t.Any) -> None:
    machine.push(Stub(f"{module}.{name}"[:200]))


def _apply(machine: _Machine, arguments: t.Any) -> None:
    """What a call would give, without the call."""
    called = machine.pop_value()
    if not isinstance(called, Stub) or not isinstance(arguments, list):
        raise NotData("a call of something that is no name")
    module, _dot, name = called.name.rpartition(".")
    first = arguments[0] if len(arguments) == 1 else None
    if module in _BUILTINS and name in _TEXTS and isinstance(first, (str, int, float)):
        machine.push(str(first))
    elif module in _BUILTINS and name in _COLLECTIONS and isinstance(first, list):
        machine.push(list(first))
    else:
        machine.push(Stub(called.name, list(arguments)))


def _reduce(machine: _Machine) -> None:
    _apply(machine, machine.pop_value())


def _new_with_keywords(machine: _Machine) -> None:
    machine.pop_value()
    _reduce(machine)


def _build(machine: _Machine) -> None:
    machine.pop_value()
    machine.top()


def _append(machine: _Machine) -> None:
    value = machine.pop_value()
    _take_list(machine, [value])


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop_value(), machine.pop_value()
    _take_pairs(machine, [key, value])


def _dict_from_mark(machine: _Machine) -> None:
    items = machine.to_mark()
    machine.push({})
    _take_pairs(machine, items)


def _tuple(machine: _Machine, count: int) -> None:
    items = [machine.pop_value() for _item in range(count)]
    machine.push(items[::-1])


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop_value(), machine.pop_value()
    if not isinstance(name, str) or not isinstance(module, str):
        raise NotData("a name that is no text")
    _name(machine, module, name)


def _skip_frame(machine: _Machine) -> None:
    machine.reader.number("<Q")


def _drop(machine: _Machine) -> None:
    machine.pop()


def _drop_to_mark(machine: _Machine) -> None:
    machine.to_mark()


_Op = t.Callable[[_Machine], None]
_OPCODES: dict[bytes, _Op] = {
    b"\x80": _proto,
    b"\x95": _skip_frame,
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.reader.number("<i")),
    b"K": lambda m: m.push(m.reader.number("<B")),
    b"M": lambda m: m.push(m.reader.number("<H")),
    b"\x8a": lambda m: _integer(m, m.reader.number("<B")),
    b"\x8b": lambda m: _integer(m, m.reader.number("<i")),
    b"G": lambda m: m.push(struct.unpack(">d", m.reader.take(8))[0]),
    b"U": lambda m: m.push(_text(m.reader.take(m.reader.number("<B")))),
    b"T": lambda m: m.push(_text(m.reader.take(m.reader.number("<i")))),
    b"X": lambda m: m.push(_text(m.reader.take(m.reader.number("<I")))),
    b"\x8c": lambda m: m.push(_text(m.reader.take(m.reader.number("<B")))),
    b"\x8d": lambda m: m.push(_text(m.reader.take(m.reader.number("<Q")))),
    b"B": lambda m: m.push(_text(m.reader.take(m.reader.number("<I")))),
    b"C": lambda m: m.push(_text(m.reader.take(m.reader.number("<B")))),
    b"\x8e": lambda m: m.push(_text(m.reader.take(m.reader.number("<Q")))),
    b"\x96": lambda m: m.push(_text(m.reader.take(m.reader.number("<Q")))),
    b"]": lambda m: m.push([]),
    b")": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b"\x8f": lambda m: m.push([]),
    b"(": lambda m: m.push(_MARK),
    b"a": _append,
    b"e": lambda m: _take_list(m, m.to_mark()),
    b"\x90": lambda m: _take_list(m, m.to_mark()),
    b"l": lambda m: m.push(m.to_mark()),
    b"t": lambda m: m.push(m.to_mark()),
    b"\x91": lambda m: m.push(m.to_mark()),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"s": _set_item,
    b"u": lambda m: _take_pairs(m, m.to_mark()),
    b"d": _dict_from_mark,
    b"0": _drop,
    b"1": _drop_to_mark,
    b"2": lambda m: m.push(m.top()),
    b"q": lambda m: _remember(m, m.reader.number("<B")),
    b"r": lambda m: _remember(m, m.reader.number("<I")),
    b"\x94": lambda m: _remember(m, len(m.memo)),
    b"h": lambda m: _recall(m, m.reader.number("<B")),
    b"j": lambda m: _recall(m, m.reader.number("<I")),
    b"c": lambda m: _name(m, m.reader.line(), m.reader.line()),
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _reduce,
    b"\x92": _new_with_keywords,
    b"b": _build,
}


def read(data: bytes) -> t.Any:
    """The value that pickled bytes hold: numbers, texts, lists (of tuples and sets too), mappings and Stubs.

    Raises:
        Truncated: more bytes are needed.
        NewerProtocol: another way to ask has to be found.
        NotData: anything else that is not data.
    """
    value = _Machine(data).run()
    return _bounded(value, depth=0, left=[MAX_NODES])


def _bounded(value: t.Any, *, depth: int, left: list[int]) -> t.Any:
    """A copy that shares nothing: data that refers to itself, or to one part a billion times, is none."""
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise NotData("too deep or too large")
    if isinstance(value, list):
        return [_bounded(one, depth=depth + 1, left=left) for one in value]
    if isinstance(value, dict):
        return {key: _bounded(one, depth=depth + 1, left=left) for key, one in value.items()}
    if isinstance(value, Stub):
        return Stub(value.name, _bounded(value.arguments, depth=depth + 1, left=left))
    if value is _MARK:
        raise NotData("a mark is no value")
    return value
