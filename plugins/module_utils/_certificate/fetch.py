# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches what certificates point to: CRLs, OCSP answers, issuers, ACME documents. Bounded in time and size, http and https only.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from .._core.errors import IncidentError

if t.TYPE_CHECKING:
    import ssl

    from .web import Web


class NotFetched(IncidentError):
    """A URL that gave nothing of use."""

    kind = "not_fetched"


class Fetcher:
    """Fetches each URL once for all that need it."""

    def __init__(self, *, timeout: float, context: t.Optional[ssl.SSLContext] = None) -> None:
        self._timeout, self._context = timeout, context
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._kept: dict[str, t.Union[bytes, NotFetched]] = {}

    def get(self, url: str) -> bytes:
        """What is at a URL; fetched once, also when it failed.

        Raises:
            NotFetched.
        """
        with self._lock:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            if url not in self._kept:
                try:
                    self._kept[url] = self._web.ask(url)
                except NotFetched as exc:
                    self._kept[url] = exc
            found = self._kept[url]
        if isinstance(found, NotFetched):
            raise NotFetched(found.message)
        return found

    def post(self, url: str, data: bytes, *, content_type: str) -> bytes:
        """The answer to a question.

        Raises:
            NotFetched.
        """
        return self._web.ask(url, data=data, content_type=content_type)

    @functools.cached_property
    def _web(self) -> Web:
        from .web import Web

        return Web(timeout=self._timeout, context=self._context)
