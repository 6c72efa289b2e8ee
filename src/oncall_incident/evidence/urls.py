# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs as they may be shown and kept."""

from __future__ import annotations

import base64
import urllib.parse


def public(url: str) -> str:
    """The URL without user, password and query: a password is in any of them (RFC 3986, 3.2.1; tokens are parameters)."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority, slash, path = rest.partition("/")
    if "@" not in authority and "@" in path and ":" in authority and not authority.rpartition(":")[2].isdigit():
        # A password with a slash in it, which should have been written %2F.
        authority, slash, path = rest.rpartition("@")[2].partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}".partition("?")[0]


def split_login(url: str) -> tuple[str, str]:
    """The URL without user and password, and those as HTTP's Basic takes them (RFC 7617); "" without any."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, there, host = authority.rpartition("@")
    login = base64.b64encode(urllib.parse.unquote(user).encode()).decode("ascii") if there else ""
    return (f"{scheme}{mark}{host}{slash}{path}" if mark else url), login
