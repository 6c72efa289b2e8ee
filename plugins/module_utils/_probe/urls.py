# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the health URLs of an application.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import http.client
import threading
import time
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url

from .._core.errors import BadInput
from .._core.judging import Judged
from .decisions.urls import CHECK, Answer, decide


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked.

    Attributes:
        expected: the status codes that are good.
        timeout: how long one answer may take, seconds.
        validate_certs: whether the certificate must be valid.
    """

    urls: tuple[str, ...]
    expected: tuple[int, ...]
    timeout: float
    validate_certs: bool

    @classmethod
    def of(cls, urls: t.Sequence[str], *, expected: t.Sequence[int], timeout: float, validate_certs: bool) -> Wanted:
        """Checked.

        Raises:
            BadInput: nothing is asked, something that HTTP cannot ask, or no time is left to answer.
        """
        if not urls:
            raise BadInput("urls is empty, so nothing would be asked.", hint="Name the application's health URLs.", argument="urls")
        for url in urls:
            if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
                raise BadInput(f"urls: {url!r} cannot be asked.", hint="Give URLs that begin with http:// or https://.", argument="urls")
        if timeout <= 0:
            raise BadInput("timeout: 0 would mean no limit.", hint="Give a time above zero, for example 10s.", argument="timeout")
        return cls(tuple(dict.fromkeys(urls)), tuple(expected), timeout, validate_certs)


def look(wanted: Wanted, *, asked: t.Optional[t.Sequence[str]] = (CHECK,)) -> Judged:
    """Ask all URLs at once, and judge the application.

    Args:
        asked: the checks that must be answered.
    """
    found: dict[str, Answer] = {}
    # A server that sends a little now and then keeps a socket's own time-out from ending, so the threads are left to themselves.
    threads = [threading.Thread(target=_ask, args=(url, wanted, found), daemon=True) for url in wanted.urls]
    deadline = time.monotonic() + wanted.timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    late = f"no answer within {wanted.timeout:g} s"
    answers = [found.get(url) or Answer(url, None, wanted.timeout, late) for url in wanted.urls]
    return decide(answers, expected=wanted.expected, asked=asked)


def _ask(url: str, wanted: Wanted, found: dict[str, Answer]) -> None:
    started, status, problem = time.monotonic(), None, ""
    try:
        with open_url(url, method="GET", timeout=wanted.timeout, validate_certs=wanted.validate_certs, follow_redirects="safe") as answer:
            status = int(answer.getcode())
    except urllib.error.HTTPError as exc:
        status = exc.code
        exc.close()
    except (OSError, ValueError, http.client.HTTPException, UrlsError) as exc:
        problem = str(getattr(exc, "reason", "") or exc) or type(exc).__name__
    found[url] = Answer(url, status, round(time.monotonic() - started, 3), problem)
