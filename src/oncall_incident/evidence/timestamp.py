# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time-stamp tokens (RFC 3161) by openssl: an authority's word that a signature existed at a time."""

from __future__ import annotations

import dataclasses
import datetime
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .urls import public, split_login

URL_VARIABLE, CA_VARIABLE = "INCIDENT_TSA_URL", "INCIDENT_TSA_CA"
_SECONDS = 30.0
_MOST_BYTES = 1 << 20
_STAMP = re.compile(r"^Time stamp: (\w{3}) +(\d+) (\d+):(\d+):(\d+)(?:\.\d+)? (\d{4}) GMT", re.MULTILINE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class NoToken(Exception):
    """No token was given, or it is not usable: says why in words."""


@dataclasses.dataclass(frozen=True)
class Token:
    """What a token proves: `at` is proven only where `good`; `why` says what is wrong otherwise."""

    good: bool
    at: datetime.datetime | None
    why: str


def stamp(data: Path, *, url: str, to: Path, seconds: float = _SECONDS) -> datetime.datetime:
    """Have a file's digest stamped by the authority at `url`; the time it says.

    Raises:
        NoToken: the authority cannot be reached, refuses, or answers with something else.
    """
    # Only whoever asks an authority needs what asks over HTTP.
    import http.client
    import urllib.error
    import urllib.request

    shown = public(url)
    with tempfile.TemporaryDirectory() as work:
        query, reply = Path(work) / "query.tsq", Path(work) / "reply.tsr"
        _openssl(["-query", "-data", data, "-sha256", "-cert", "-out", query])
        plain, login = split_login(url)
        headers = {"Content-Type": "application/timestamp-query", **({"Authorization": f"Basic {login}"} if login else {})}
        try:
            request = urllib.request.Request(plain, data=query.read_bytes(), headers=headers)
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                reply.write_bytes(answer.read(_MOST_BYTES))
        except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError) as exc:
            why = str(getattr(exc, "reason", exc)).replace(plain, shown)
            raise NoToken(f"{shown} cannot be reached: {why}") from exc
        said = _openssl(["-reply", "-in", reply, "-text"])
        if "Status: Granted" not in said:
            raise NoToken(f"{shown} did not grant a token")
        if _imprint(said) != _imprint(_openssl(["-query", "-in", query, "-text"])):
            raise NoToken(f"{shown} stamped something else")
        at = _time(said)
        if at is None:
            raise NoToken(f"{shown} did not say a time")
        to.write_bytes(reply.read_bytes())
        return at


def check(data: Path, token: Path, *, authority: Path | None) -> Token:
    """Check a token over a file.

    Args:
        authority: certificates the verifier trusts, in PEM; without them nothing is proven.
    """
    try:
        at = _time(_openssl(["-reply", "-in", token, "-text"]))
    except NoToken as exc:
        return Token(False, None, str(exc))
    if authority is None:
        return Token(False, at, "no certificate of a trusted authority was given")
    try:
        said = _openssl(["-verify", "-data", data, "-in", token, "-CAfile", authority])
    except NoToken as exc:
        return Token(False, at, str(exc))
    return Token("Verification: OK" in said, at, "" if "Verification: OK" in said else said.strip())


def _openssl(arguments: Sequence[str | Path]) -> str:
    try:
        done = subprocess.run(
            ["openssl", "ts", *arguments], capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as exc:
        raise NoToken("openssl was not found") from exc
    except subprocess.TimeoutExpired as exc:
        raise NoToken("openssl took too long") from exc
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode:
        lines = [line for line in text.splitlines() if line and not line.startswith(("Using configuration", "Verification:"))]
        raise NoToken(f"openssl: {lines[0] if lines else done.returncode}")
    return text


def _imprint(said: str) -> str:
    """The stamped digest, as openssl prints it."""
    block = said.partition("Message data:")[2].partition("Serial number:")[0].partition("Policy OID:")[0]
    return "".join(re.findall(r"(?m)^\s+[0-9a-f]{4} - ((?:[0-9a-f]{2}[ -])+)", block)).replace(" ", "").replace("-", "")


def _time(said: str) -> datetime.datetime | None:
    found = _STAMP.search(said)
    if found is None:
        return None
    month, day, hour, minute, second, year = found.groups()
    return datetime.datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=datetime.UTC)
