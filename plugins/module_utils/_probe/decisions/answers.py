# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was heard of a request, held against what was wanted.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from . import websocket
from .conditions import Dependency, dependencies, parse
from .requests import Request, Wanted

#: How far a request came that was not answered as it should be.
NO_WAY, DNS, REFUSED, TIMEOUT, TLS, NO_ANSWER, STATUS, WEBSOCKET, BODY, JSON = (
    "no_way", "dns", "refused", "timeout", "tls", "no_answer", "status", "websocket", "body", "json",
)
#: So many bytes of a body are read.
MAX_BODY = 64 * 1024
#: A date by HTTP has 29 characters.
_LONGEST_RETRY = 40


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        stage: how far it came where it is not as it should be; empty where it is.
        problem: what is wrong, in one sentence.
        status: of HTTP; None where there was none.
        seconds: it took, redirects included.
        address: which was connected to last.
        own: that address is one of whoever asked.
        redirects: where it was sent to, without queries.
        sure: no matter of the way: a certificate that has expired or is for another name.
        unclear: that something is wrong is not certain, since only a part of the body was read.
        dependencies: what the body says about them.
        retry_after: when to ask again, as the answer says it (RFC 9110 section 10.2.3); empty where it does not.
    """

    stage: str = ""
    problem: str = ""
    status: t.Optional[int] = None
    seconds: float = 0.0
    address: str = ""
    own: bool = False
    redirects: tuple[str, ...] = ()
    sure: bool = False
    unclear: bool = False
    dependencies: tuple[Dependency, ...] = ()
    retry_after: str = ""


@dataclasses.dataclass(frozen=True)
class Heard:
    """An answer as it came.

    Attributes:
        headers: names in lower case.
        body: as much of it as is read, unpacked.
        more: there is more of it.
        missing: bytes that the server had announced and did not send.
        key: of the WebSocket that was asked for.
    """

    status: int
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    more: bool = False
    missing: int = 0
    key: str = ""


def weigh(
    heard: Heard, *, request: Request, wanted: Wanted, paths: t.Sequence[str] = (), secrets: t.Collection[str] = (),
) -> Answer:
    """The answer without what only whoever asked knows: address and time.

    Args:
        paths: fields of the body that say how something else is; they are read whatever the status is.
        secrets: are not shown, also where the server repeats them.
    """
    secrets = (*request.secrets, *secrets)
    document, no_json = parse(heard.body) if paths or wanted.json else (None, "")
    said = tuple(dependencies(paths, document, secrets=secrets)) if paths and not no_json else ()
    stage, problem = _wrong(heard, request, wanted, document, no_json, secrets)
    unclear = heard.more and stage in (BODY, JSON)
    if unclear:
        problem = f"of the body only the first {MAX_BODY // 1024} KiB are read, and {problem}"
    return Answer(
        stage=stage, problem=problem, status=heard.status, unclear=unclear, dependencies=said,
        retry_after=heard.headers.get("retry-after", "")[:_LONGEST_RETRY],
    )


def _wrong(
    heard: Heard, request: Request, wanted: Wanted, document: t.Any, no_json: str, secrets: t.Collection[str],
) -> tuple[str, str]:
    if heard.status not in request.status:
        return STATUS, f"it answered {heard.status}, not {' or '.join(map(str, request.status))}"
    if heard.missing:
        return BODY, f"the answer ended {heard.missing} bytes too early"
    if request.websocket and heard.status == 101:
        problem = websocket.disagreement(heard.headers, key=heard.key)
        return (WEBSOCKET, problem) if problem else ("", "")
    text = heard.body.decode("utf-8", "replace")
    if wanted.contains and wanted.contains not in text:
        return BODY, f"{wanted.contains!r:.100} is not in the body"
    if wanted.matches and not re.search(wanted.matches, text):
        return BODY, f"{wanted.matches!r:.100} matches nothing in the body"
    if wanted.json and no_json:
        return JSON, no_json
    unmet = [problem for problem in (one.unmet(document, secrets=secrets) for one in wanted.json) if problem]
    return (JSON, "; ".join(unmet)) if unmet else ("", "")
