# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of nft's JSON, nearly as nft itself writes them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

_MAX_SAID = 300


def say(expressions: t.Any) -> str:
    """A rule, nearly as nft itself would write it."""
    words: list[str] = []
    for one in expressions if isinstance(expressions, list) else [expressions]:
        if not isinstance(one, dict):
            words.append(short(one))
            continue
        for kind, detail in one.items():
            if kind == "match" and isinstance(detail, dict):
                operator = "" if detail.get("op") in ("==", "in", None) else f"{detail.get('op')} "
                words.append(f"{short(detail.get('left'))} {operator}{short(detail.get('right'))}")
            elif kind == "vmap" and isinstance(detail, dict):
                words.append(f"{short(detail.get('key'))} vmap {short(detail.get('data'))}")
            elif kind == "limit" and isinstance(detail, dict):
                words.append(f"limit rate {'over ' if detail.get('inv') else ''}{detail.get('rate')}/{detail.get('per')}")
            elif kind in ("jump", "goto") and isinstance(detail, dict):
                words.append(f"{kind} {detail.get('target')}")
            elif kind == "counter":
                continue
            elif kind in ("payload", "meta", "ct"):
                words.append(short(one))
            elif detail is None or kind == "reject":
                words.append(kind)
            else:
                words.append(f"{kind} {short(detail)}")
    said = " ".join(words)
    return said if len(said) <= _MAX_SAID else said[:_MAX_SAID] + "..."


def short(value: t.Any, depth: int = 0) -> str:
    """A value of an expression."""
    if depth > 6:
        return "..."
    if isinstance(value, dict):
        payload, meta, prefix, inner, ct, fib = (value.get(key) for key in ("payload", "meta", "prefix", "set", "ct", "fib"))
        if isinstance(payload, dict) and "field" in payload:
            return f"{payload.get('protocol')} {payload.get('field')}"
        if isinstance(meta, dict):
            return str(meta.get("key"))
        if isinstance(ct, dict):
            return f"ct {ct.get('key')}"
        if isinstance(fib, dict):
            return f"fib {short(fib.get('flags'), depth + 1)} {fib.get('result')}"
        for sign in ("&", "|", "^", "<<", ">>"):
            if isinstance(value.get(sign), list):
                return f" {sign} ".join(short(item, depth + 1) for item in value[sign])
        if isinstance(prefix, dict):
            return f"{prefix.get('addr')}/{prefix.get('len')}"
        if isinstance(value.get("range"), list):
            return "-".join(short(end, depth + 1) for end in value["range"])
        if isinstance(inner, list):
            return "{ " + ", ".join(short(item, depth + 1) for item in inner[:10]) + (", ... }" if len(inner) > 10 else " }")
        if isinstance(value.get("concat"), list):
            return " . ".join(short(item, depth + 1) for item in value["concat"])
        return " ".join(f"{key} {short(item, depth + 1)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(short(item, depth + 1) for item in value[:10])
    return str(value)[:_MAX_SAID]
