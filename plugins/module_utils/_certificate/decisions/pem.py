# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM as OpenSSL reads it, and with OpenSSL the servers: PEM_read_bio(3). What a server would refuse is refused here.

A server reads every block of a certificate file, keys and requests included, and refuses the file for a damaged one of any kind. What
does not begin with a BEGIN line of its own is passed over.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import binascii
import dataclasses
import re
import typing as t

from ..._core.errors import IncidentError

CERTIFICATE, OLD_CERTIFICATE, TRUSTED = "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"
CERTIFICATES = (CERTIFICATE, OLD_CERTIFICATE, TRUSTED)

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_FIRST_LINE = b"-----BEGIN CERTIFICATE-----"
_MARK = b"\xef\xbb\xbf"
#: A longer line is read in pieces of so many bytes.
_PIECE = 254
#: What is stripped from the end of a line. Bytes above 127 too on some platforms; not stripping them is the stricter way.
_BLANKS = bytes(range(0x21))
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}\Z")
#: Behind a header lines have this length, but the last.
_LINE = 64


class BadPem(IncidentError):
    """A block for which OpenSSL refuses the file."""

    kind = "bad_pem"


@dataclasses.dataclass(frozen=True)
class Block:
    """A block: its label, what it holds, whether headers stand before that, and the line of its BEGIN."""

    label: str
    data: bytes
    header: bool
    line: int


@dataclasses.dataclass(frozen=True)
class Pem:
    """The blocks of a file, and how many lines look like the beginning of one and are passed over."""

    blocks: tuple[Block, ...]
    passed_over: int = 0


@dataclasses.dataclass(frozen=True)
class _Piece:
    """A line, or a part of a long one: without blanks at its end. `cut`: its line goes on. `last`: no line break follows."""

    text: bytes
    number: int
    cut: bool
    last: bool


def read_pem(data: bytes, *, skips_mark: bool = True) -> Pem:
    """The blocks of a file.

    Args:
        skips_mark: a byte order mark before a BEGIN line is skipped, as OpenSSL does since 3.0.

    Raises:
        BadPem: OpenSSL, and so a server, would refuse the file.
    """
    pieces = _pieces(data)
    blocks: list[Block] = []
    passed_over, first = 0, True
    for piece in pieces:
        text = piece.text[len(_MARK):] if first and skips_mark and piece.text.startswith(_MARK) else piece.text
        first = False
        if text.startswith(_BEGIN) and text.endswith(_DASHES) and len(text) > len(_BEGIN):
            blocks.append(_block(text[len(_BEGIN):-len(_DASHES)], pieces, line=piece.number))
            first = True
        elif (_BEGIN in text and not text.startswith(b"#")) or (piece.last and text and _FIRST_LINE.startswith(text)):
            passed_over += 1
    return Pem(tuple(blocks), passed_over)


def first_element(data: bytes) -> tuple[bytes, bytes]:
    """The first element of DER, and what follows it; nothing and everything where it is not whole."""
    size = data[1] if len(data) > 1 else 0
    start = 2
    if size & 0x80:
        width = size & 0x7F
        start, size = 2 + width, int.from_bytes(data[2:2 + width], "big")
    end = start + size
    return (data[:end], data[end:]) if len(data) > 1 and end <= len(data) else (b"", data)


def _block(label: bytes, pieces: t.Iterator[_Piece], *, line: int) -> Block:
    """The rest of a block, up to its END line."""
    name = label.decode("ascii", "replace")
    what = f"the block {name!r} that begins in line {line}"
    header: list[bytes] = []
    body: list[bytes] = []
    headed = behind = short = cut = False
    for piece in pieces:
        text, cut_before, cut = piece.text, cut, piece.cut
        headed = headed or (not behind and b":" in text)
        if not text:
            if cut_before:
                continue
            if behind:
                raise _bad(f"{what} has two empty lines in it", line=piece.number)
            behind, header, body = True, body, []
            continue
        if text.startswith(_END):
            _check_end(text, label, what, number=piece.number)
            return Block(name, _decoded([] if headed and not behind else body, what, line=line), bool(header), line)
        if short:
            raise _bad(f"{what} has a line that is too short before its last", line=piece.number)
        body.append(text)
        if behind:
            if len(text) > _LINE:
                raise _bad(f"{what} has a line that is too long behind an empty one", line=piece.number)
            short = len(text) < _LINE
    raise _bad(f"{what} is cut off: its END line is missing", line=line)


def _check_end(text: bytes, label: bytes, what: str, *, number: int) -> None:
    if text == _END + label + _DASHES:
        return
    if text.startswith(_END + label + _DASHES):
        raise _bad(f"the END line of {what} goes on: a line break is missing", line=number)
    if (_END + label + _DASHES).startswith(text):
        raise _bad(f"{what} is cut off in its END line", line=number)
    raise _bad(f"{what} ends with another END line, in line {number}", line=number)


def _decoded(lines: t.Sequence[bytes], what: str, *, line: int) -> bytes:
    # A dash ends the data, whatever follows.
    text = b"".join(lines).partition(b"-")[0].translate(None, b" \t\r")
    if not text or len(text) % 4 or not _BASE64.match(text):
        raise _bad(f"{what} holds {'damaged Base64' if text else 'nothing'}", line=line)
    try:
        return binascii.a2b_base64(text)
    except binascii.Error as exc:
        raise _bad(f"{what} holds damaged Base64", line=line) from exc


def _bad(message: str, *, line: int) -> BadPem:
    return BadPem(message, line=line)


def _pieces(data: bytes) -> t.Iterator[_Piece]:
    """The lines of a file as the C library reads them: a zero byte hides the rest of its line, and at its beginning ends the file."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        last = number == len(lines)
        whole = line if last else line + b"\n"
        for start in range(0, len(whole), _PIECE):
            read = whole[start:start + _PIECE]
            piece = read.partition(b"\0")[0]
            if not piece:
                return
            cut = len(piece) == _PIECE and not piece.endswith(b"\n")
            yield _Piece(piece.rstrip(_BLANKS), number, cut, last)
