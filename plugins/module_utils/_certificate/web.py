# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request by http or https, bounded in time and size. Loaded with the first request: most runs make none.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import http.client
import ssl
import time
import typing as t
import urllib.error
import urllib.request

from .fetch import NotFetched

MAX_BYTES = 32 * 1024 * 1024


class Web:
    """Makes requests.

    Args:
        timeout: of each request as a whole, seconds.
        context: whom to trust; None for what the system trusts.
    """

    def __init__(self, *, timeout: float, context: t.Optional[ssl.SSLContext]) -> None:
        self._timeout = timeout
        handlers: list[t.Any] = [_NoOtherSchemes()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def ask(self, url: str, *, data: t.Optional[bytes] = None, content_type: str = "") -> bytes:
        """The answer of a URL, to `data` where there is some.

        Raises:
            NotFetched.
        """
        request = urllib.request.Request(url, data=data, headers={"Content-Type": content_type} if data is not None else {})
        request.add_header("User-Agent", "oncall.incident")
        until = time.monotonic() + self._timeout
        try:
            found = bytearray()
            with self._opener.open(request, timeout=self._timeout) as answer:
                while True:
                    piece = answer.read(65536)
                    if not piece:
                        return bytes(found)
                    found += piece
                    if len(found) > MAX_BYTES:
                        raise NotFetched(f"{request.full_url} is bigger than {MAX_BYTES >> 20} MiB")
                    if time.monotonic() > until:
                        raise NotFetched(f"{request.full_url}: not there in full within {self._timeout:g} s")
        except urllib.error.HTTPError as exc:
            exc.close()
            raise NotFetched(f"{request.full_url}: status {exc.code}") from exc
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise NotFetched(f"{request.full_url}: {str(getattr(exc, 'reason', exc))[:150]}") from exc


class _NoOtherSchemes(urllib.request.BaseHandler):
    """Certificates come from anywhere: what they point to is never a local file."""

    handler_order = 1

    def default_open(self, request: urllib.request.Request) -> None:
        if request.type not in ("http", "https"):
            raise NotFetched(f"{request.full_url[:200]}: only http and https are asked")
