# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests by HTTP for people: without what may be a secret.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

#: Of a request these are secrets, whatever their names are.
SECRET_PARTS = ("headers", "send")
_HIDDEN = "********"


def shown_url(url: str) -> str:
    """A URL for people: neither its query, which may hold a key, nor a user."""
    text, question, _query = str(url).partition("#")[0].partition("?")
    scheme, mark, rest = text.partition("://")
    if mark:
        authority, slash, path = rest.partition("/")
        text = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    return f"{text}?..." if question else text


def shown_entry(entry: t.Any) -> t.Any:
    """An entry without what must not be shown, for the invocation in a result; whatever is wrong with it."""
    if not isinstance(entry, t.Mapping):
        return entry
    shown = {key: value for key, value in entry.items() if value is not None}
    for key in SECRET_PARTS:
        if key in shown:
            shown[key] = dict.fromkeys(shown[key], _HIDDEN) if isinstance(shown[key], t.Mapping) else _HIDDEN
    return {**shown, **({"url": shown_url(str(shown["url"]))} if "url" in shown else {})}


def shown_service(entry: t.Any) -> t.Any:
    """An entry of `services` for the invocation in a result: its probes without their secrets, of what it reaches the names alone."""
    if not isinstance(entry, t.Mapping):
        return entry
    shown = dict(entry)
    if isinstance(shown.get("health"), (list, tuple)):
        shown["health"] = [shown_url(one) if isinstance(one, str) else shown_entry(one) for one in shown["health"]]
    if isinstance(shown.get("reaches"), (list, tuple)):
        shown["reaches"] = [str(one.get("name") or one.get("port") or "") if isinstance(one, t.Mapping) else "" for one in shown["reaches"]]
    return shown
