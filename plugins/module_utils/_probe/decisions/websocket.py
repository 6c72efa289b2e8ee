# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server agrees to speak WebSocket: RFC 6455 sections 1.3 and 4.1.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key: str) -> str:
    """What a server answers to a key."""
    # The RFC says SHA-1; it protects nothing here.
    return base64.b64encode(hashlib.new("sha1", (key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def headers(key: str) -> dict[str, str]:
    """What is asked for."""
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}


def disagreement(answered: t.Mapping[str, str], *, key: str) -> str:
    """Why a status of 101 does not agree; empty where it does.

    Args:
        answered: the headers of the answer, names in lower case.
    """
    if answered.get("upgrade", "").strip().lower() != "websocket":
        return "it answered 101 without Upgrade: websocket"
    if "upgrade" not in [word.strip().lower() for word in answered.get("connection", "").split(",")]:
        return "it answered 101 without Connection: Upgrade"
    if answered.get("sec-websocket-accept", "").strip() != accept_of(key):
        return "Sec-WebSocket-Accept is not the answer to our key, so a WebSocket server has not made it"
    return ""
