# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of Alertmanager's API that silences need: version 2, which is there since 0.16 (api/v2/openapi.yaml of its sources).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import datetime
import json
import re
import time
import typing as t
import urllib.parse

from .._core import temporary
from .._core.deadline import Deadline
from .._core.errors import BadInput, CannotReach
from . import web
from .decisions.silences import CREATOR, Matcher, Silence

#: So much of an answer is read, bytes.
_MOST = 32 << 20
#: A named end may be so much later: clocks differ, and something else was begun before. Seconds.
_SLACK = 60.0
_FRACTION = re.compile(r"\.\d+")


class Alertmanager:
    """One Alertmanager.

    Args:
        url: of its start page, without `/api`.
        header: `NAME: VALUE` that is sent with each request; a secret.
    """

    def __init__(self, url: str, *, header: str, validate_certs: bool, clock: Deadline) -> None:
        self._url = web.checked_url(url, name="url").rstrip("/")
        self._headers = web.read_header(header, name="secret_header")
        self._certs, self._clock = validate_certs, clock
        self._ahead = 0.0
        self.resource = f"alertmanager:{self._url}"

    @property
    def now(self) -> float:
        """Seconds since the epoch, by its own clock as far as it has said it."""
        return time.time() + self._ahead

    def silences(self) -> list[Silence]:
        """All silences that it still knows."""
        return [self._silence(one) for one in self._asked("GET", "silences")]

    def alerts(self, matchers: t.Sequence[Matcher]) -> dict[str, dict[str, t.Any]]:
        """The alerts that fire and fit, by fingerprint; which fit is decided by Alertmanager itself."""
        query = urllib.parse.urlencode([("filter", str(one)) for one in matchers])
        return {str(one["fingerprint"]): one for one in self._asked("GET", f"alerts?{query}")}

    def create(self, wanted: Silence) -> str:
        """Make a silence that begins now; its id."""
        said = self._asked("POST", "silences", {
            "matchers": [{"name": one.name, "value": one.value, "isRegex": one.regex, "isEqual": one.equal} for one in wanted.matchers],
            "startsAt": temporary.moment(self.now), "endsAt": temporary.moment(wanted.ends), "createdBy": CREATOR,
            "comment": wanted.comment,
        })
        return str(said["silenceID"])

    def expire(self, silence: str) -> None:
        """End a silence."""
        self._asked("DELETE", f"silence/{urllib.parse.quote(silence, safe='')}")

    def _asked(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """What it answers, as JSON.

        Raises:
            CannotReach: it gives no answer, or another one than the API's.
        """
        if self._clock.passed():
            raise CannotReach(f"{self._url}: no answer within {self._clock.seconds:g} s.", hint="Raise timeout.", reason="timeout")
        url = f"{self._url}/api/v2/{path}"
        said = web.ask(
            method, url, headers=self._headers, body=body, seconds=self._clock.remaining(), validate_certs=self._certs, most=_MOST)
        self._ahead = said.date - time.time() if said.date else self._ahead
        if said.status is None:
            raise CannotReach(f"{self._url} gave no answer: {said.problem}.", hint="Check url, and ask from where it can be reached.")
        if not 200 <= said.status < 300:
            what = " ".join(said.body.decode("utf-8", "replace").split())[:200]
            hint = "Give what it wants as secret_header." if said.status in (401, 403) else "Check url: it is that of its start page."
            raise CannotReach(f"{self._url} answered {method} with {said.status}{f': {what}' if what else ''}.", hint=hint)
        try:
            return json.loads(said.body) if said.body.strip() else None
        except ValueError:
            raise CannotReach(f"{self._url} did not answer with JSON.", hint="Check url: it is that of its start page.") from None

    def _silence(self, given: t.Mapping[str, t.Any]) -> Silence:
        try:
            matchers = sorted(
                (Matcher(one["name"], one["value"], bool(one["isRegex"]), bool(one.get("isEqual", True))) for one in given["matchers"]),
                key=str)
            return Silence(
                str(given["id"]), tuple(matchers), _seconds(given["endsAt"]), str(given["status"]["state"]), by=str(given["createdBy"]),
                comment=str(given["comment"]),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise CannotReach(f"{self._url}: a silence is not as its API says: {exc}.", hint="Check its version: 0.16 or newer.") from None


def _seconds(text: str) -> float:
    """A time of RFC 3339 with any number of digits after the second."""
    plain = _FRACTION.sub("", str(text)).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(plain).timestamp()


def checked_end(text: str, *, seconds: float) -> float:
    """An end that a caller names, in seconds since the epoch; 0 where none is named.

    Args:
        seconds: how long it may last from now.

    Raises:
        BadInput: it is no time of RFC 3339, over, or later than that.
    """
    if not text:
        return 0.0
    try:
        found = _seconds(text)
    except ValueError:
        raise BadInput(f"until: {text!r} is not a time.", hint="Write it as 2026-11-30T21:00:00Z.", argument="until") from None
    left = found - time.time()
    if not 0 < left <= seconds + _SLACK:
        said = "is over" if left <= 0 else f"is later than lasts, {seconds:g} s from now"
        raise BadInput(f"until: {text} {said}.", hint="Give another time, or leave it empty.", argument="until")
    return found
