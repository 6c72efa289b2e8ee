# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request by HTTP: whatever the answer, it is told. No redirect is followed, and no header is repeated.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import email.utils
import http.client
import json
import re
import typing as t
import urllib.error

from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url

from .._core.errors import BadInput
from .._core.hosts import plain

_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*)\Z")


@dataclasses.dataclass(frozen=True)
class Said:
    """What a server said.

    Attributes:
        status: None where there was no answer, and `problem` says why.
        headers: by their names in lower case.
        date: by the server's clock, seconds since the epoch; 0 where it does not say.
    """

    status: t.Optional[int]
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    problem: str = ""

    @property
    def date(self) -> float:
        """See above."""
        try:
            return email.utils.parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (TypeError, ValueError):
            return 0.0


def ask(
    method: str, url: str, *, headers: t.Mapping[str, str], seconds: float, body: t.Any = None, validate_certs: bool = True,
    most: int = 1 << 16,
) -> Said:
    """Ask once.

    Args:
        body: is sent as JSON; None sends none.
        seconds: how long the answer may take.
        most: so many bytes of the body are read.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {**({"Content-Type": "application/json"} if data is not None else {}), **headers}
    try:
        with open_url(
            url, method=method, data=data, headers=sent, timeout=max(seconds, 0.01), validate_certs=validate_certs,
            follow_redirects="none",
        ) as answer:
            return Said(int(answer.getcode()), _lower(answer.headers), answer.read(most))
    except urllib.error.HTTPError as exc:
        with exc:
            return Said(exc.code, _lower(exc.headers), exc.read(most))
    except (OSError, ValueError, http.client.HTTPException, UrlsError) as exc:
        return Said(None, problem=str(getattr(exc, "reason", "") or exc).rstrip(".") or type(exc).__name__)


def _lower(headers: t.Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def checked_url(url: str, *, name: str) -> str:
    """An HTTP URL without a password.

    Raises:
        BadInput: it is another one.
    """
    text = plain(url)
    if text.partition("://")[0].lower() not in ("http", "https"):
        shown = "what is given" if "@" in text else repr(text)
        raise BadInput(f"{name}: {shown} is not an HTTP URL.", hint="Give one that begins with http:// or https://.", argument=name)
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise BadInput(f"{name} has a user or a password in it.", hint="Give them in a header.", argument=name)
    return text


def read_header(text: str, *, name: str) -> dict[str, str]:
    """`NAME: VALUE` as a header; none of an empty text.

    Raises:
        BadInput: it is no header. Its text is not repeated.
    """
    if not text.strip():
        return {}
    found = _HEADER.match(text.strip())
    if found is None:
        raise BadInput(f"{name} is not a header.", hint="Write NAME: VALUE, such as Authorization: Bearer ....", argument=name)
    return {found["name"]: found["value"]}
