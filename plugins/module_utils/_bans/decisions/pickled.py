# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the pickled reply of a fail2ban server as data: nothing is imported and nothing is called.

This module util is PRIVATE to the collection: it may change at any time.

Python's own unpickler does the reading, with a find_class() that never looks anything up: every name becomes an inert class.
What it does not bound by itself is settled before it starts: only opcodes that a pickler writes for data are let through, all bytes
that they declare must be there, and the memo and the number of values have a limit. Nothing is hashed: hash() follows tuples without
any limit, so a set is read as a list, and a dictionary as pairs.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import pickletools
import typing as t

#: Numbers larger than this are none of fail2ban's.
MAX_INT_BYTES = 16
#: Of a whole reply: bytes, and opcodes or values. The parts of a tuple count again for every tuple that they are in.
MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 2_000_000
MAX_DEPTH = 40
NEWEST_PROTOCOL = 5
#: A reply has a handful of names.
_MAX_NAMES = 1000

_DATA = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES
    BINBYTES8 SHORT_BINUNICODE BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE NEWOBJ NEWOBJ_EX BUILD
""".split()
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes if opcode.name in _DATA}
#: What the unpickler gets instead: lists for sets, what persistent_load() makes for dictionaries, and all as one frame.
_INSTEAD = {
    pickle.EMPTY_SET: pickle.EMPTY_LIST, pickle.ADDITEMS: pickle.APPENDS, pickle.FROZENSET: pickle.LIST,
    pickle.EMPTY_DICT: pickle.NONE + pickle.BINPERSID, pickle.FRAME: b"",
}
_TEXTS = ("builtins.str", "__builtin__.str", "__builtin__.unicode")
_COLLECTIONS = tuple(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "frozenset", "list", "tuple"))


class NotData(ValueError):
    """The bytes are not pickled data of the kind a fail2ban server sends."""


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


def read(data: bytes) -> t.Any:
    """The value that pickled bytes hold: numbers, texts, lists (of tuples and sets too), mappings and Stubs.

    Raises:
        Truncated: more bytes are needed.
        NewerProtocol: another way to ask has to be found.
        NotData: anything else that is not data.
    """
    if len(data) > MAX_BYTES:
        raise NotData(f"more than {MAX_BYTES} bytes")
    checked = _checked(data)
    try:
        return _Plain().of(_Unpickler(io.BytesIO(checked), encoding="utf-8", errors="replace").load())
    except NotData:
        raise
    except Exception as exc:  # pickle promises no particular exceptions for data that is damaged
        raise NotData(f"not pickled data: {exc}"[:200]) from exc


def _checked(data: bytes) -> bytes:
    """The same data in harmless opcodes: what they declare is there, and what they ask for is bounded."""
    source, kept = io.BytesIO(data), bytearray()
    for _number in range(MAX_NODES):
        begin, code = source.tell(), source.read(1)
        if not code:
            raise Truncated("the data ends too early")
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise NotData(f"opcode {code!r} is not data")
        try:
            argument: t.Any = opcode.arg.reader(source) if opcode.arg else None
        except ValueError as exc:
            ended = source.tell() == len(data)
            raise (Truncated if ended else NotData)(f"{opcode.name}: {exc}"[:200]) from exc
        if code == pickle.PROTO and argument > NEWEST_PROTOCOL:
            raise NewerProtocol(f"pickle protocol {argument}")
        if code == pickle.FRAME and argument > len(data) - source.tell():
            raise Truncated("the data ends before its frame does")
        if code == pickle.LONG1 and argument.bit_length() > MAX_INT_BYTES * 8:
            raise NotData("a number that is too large")
        if code == pickle.LONG_BINPUT and argument > MAX_NODES:
            raise NotData("too much is remembered")
        kept += _INSTEAD.get(code, data[begin : source.tell()])
        if code == pickle.STOP:
            return bytes(kept)
    raise NotData("too large")


class _Named:
    """Stands for whatever a pickle names. It takes any arguments and any state, and does nothing with them."""

    name: t.ClassVar[str] = ""
    arguments: tuple[t.Any, ...]
    __slots__ = ("arguments",)

    def __new__(cls, *arguments: t.Any, **_keywords: t.Any) -> _Named:
        made = object.__new__(cls)
        made.arguments = arguments
        return made

    def __setstate__(self, *_state: t.Any) -> None:
        """A state is not used."""


class _Pairs(dict[int, tuple[t.Any, t.Any]]):
    """A dictionary that numbers its pairs, so that no key of theirs is hashed."""

    __slots__ = ()

    def __setitem__(self, key: t.Any, value: t.Any) -> None:
        super().__setitem__(len(self), (key, value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, *arguments: t.Any, **keywords: t.Any) -> None:
        super().__init__(*arguments, **keywords)
        self._names: dict[str, type[_Named]] = {}

    def find_class(self, module: str, name: str) -> type[_Named]:
        # Cut before they are joined: a name may be as long as the reply, and be named again and again.
        full = f"{module[:200]}.{name[:200]}"[:200]
        if full not in self._names:
            if len(self._names) >= _MAX_NAMES:
                raise NotData("too many names")
            self._names[full] = type("_Named", (_Named,), {"name": full, "__slots__": ()})
        return self._names[full]

    def persistent_load(self, _pid: t.Any) -> _Pairs:
        return _Pairs()


class _Plain:
    """Makes a copy of plain values that shares nothing: data that holds itself, or one part a billion times, is refused."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        #: By id, while what was unpickled is held: one long text may be there under many references.
        self._texts: dict[int, str] = {}

    def of(self, value: t.Any, *, depth: int = 0) -> t.Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise NotData("too deep or too large")
        if isinstance(value, _Pairs):
            return {self._key(key, depth=depth): self.of(one, depth=depth + 1) for key, one in value.values()}
        if isinstance(value, (list, tuple)):
            return [self.of(one, depth=depth + 1) for one in value]
        if isinstance(value, _Named):
            return self._named(value, depth=depth)
        if isinstance(value, type) and issubclass(value, _Named):
            return Stub(value.name)
        return self._text(value) if isinstance(value, (str, bytes)) else value

    def _text(self, value: t.Union[str, bytes]) -> str:
        if id(value) not in self._texts:
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            self._texts[id(value)] = data.decode("utf-8", "replace")
        return self._texts[id(value)]

    def _key(self, value: t.Any, *, depth: int) -> t.Any:
        key = self.of(value, depth=depth + 1)
        return str(key) if isinstance(key, (list, Stub)) else key

    def _named(self, value: _Named, *, depth: int) -> t.Any:
        """What Python's own text and collections hold; fail2ban wraps its addresses so."""
        arguments = self.of(value.arguments, depth=depth + 1)
        first = arguments[0] if len(arguments) == 1 else None
        if value.name in _TEXTS and isinstance(first, (str, int, float)):
            return str(first)
        return first if value.name in _COLLECTIONS and isinstance(first, list) else Stub(value.name, arguments)
