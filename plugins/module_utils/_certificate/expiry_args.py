# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of cert_expiry, and the request they describe.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core import ranges
from .._core.durations import parse_duration
from .._core.judging import question_spec
from .._probe.decisions.tls_hello import ECDSA, RSA
from .._probe.handshake import Contexts
from .asking import Asking
from .decisions.targets import targets_from
from .decisions.time import THRESHOLD_OPTIONS
from .decisions.verdict import Skew
from .endpoint import Means
from .fetch import Fetcher
from .look import Request


def expiry_spec() -> dict[str, t.Any]:
    """The argument spec of cert_expiry."""
    return {
        "endpoints": {"type": "list", "elements": "raw", "default": []},
        "files": {"type": "list", "elements": "raw", "default": []},
        "contents": {"type": "list", "elements": "raw", "default": []},
        "kubeconfigs": {"type": "list", "elements": "raw", "default": []},
        "pairs": {"type": "list", "elements": "dict", "default": [], "options": {
            "endpoint": {"type": "raw", "required": True},
            "file": {"type": "raw", "required": True},
            "reload": {"type": "str"},
        }},
        "renewal": {"type": "str", "choices": ["manual", "acme", "cert-manager"], "default": "manual"},
        **{name: {"type": "float"} for name in THRESHOLD_OPTIONS},
        "ca_path": {"type": "path"},
        "allow_self_signed": {"type": "bool", "default": False},
        "key_types": {"type": "list", "elements": "str", "choices": [RSA, ECDSA], "default": [RSA, ECDSA]},
        "check_revocation": {"type": "bool", "default": False},
        "fetch_issuers": {"type": "bool", "default": False},
        "ari": {"type": "bool", "default": True},
        "acme_directory": {"type": "str"},
        "acme_ca_path": {"type": "path"},
        "proxy": {"type": "str"},
        "proxy_username": {"type": "str"},
        "proxy_password": {"type": "str", "no_log": True},
        "passphrases": {"type": "dict", "default": {}, "no_log": True},
        "clock_skew_warning": {"type": "str", "default": "1m"},
        "clock_skew_critical": {"type": "str", "default": "10m"},
        "workers": {"type": "int", "default": 64},
        "timeout": {"type": "str", "default": "10s"},
        "max_seconds": {"type": "str", "default": "5m"},
        **question_spec(),
    }


def request_from(params: t.Mapping[str, t.Any]) -> Request:
    """The look the arguments describe.

    Raises:
        BadInput: one of them is not usable; nothing was touched.
    """
    targets = targets_from(params)
    ranges.read(params["workers"], name="workers")
    timeout, wall = (ranges.read(params[name], name=name) for name in ("timeout", "max_seconds"))
    contexts = Contexts()
    if params["ca_path"]:
        # A target's own is its own trouble: the others are looked at all the same.
        contexts.verifying(params["ca_path"])
    return Request(
        targets=targets, workers=params["workers"], max_seconds=wall,
        means=Means(
            contexts=contexts, timeout=timeout, proxy_login=(params["proxy_username"] or "", params["proxy_password"] or ""),
            staples=params["check_revocation"], key_types=tuple(dict.fromkeys(params["key_types"])),
        ),
        asking=Asking(
            fetcher=Fetcher(timeout=timeout), acme=_acme_fetcher(params, timeout), revocation=params["check_revocation"],
            issuers=params["fetch_issuers"], ari=params["ari"], timeout=timeout,
        ),
        passphrases={str(path): str(secret) for path, secret in params["passphrases"].items()},
        skew=Skew(
            parse_duration(params["clock_skew_warning"], name="clock_skew_warning"),
            parse_duration(params["clock_skew_critical"], name="clock_skew_critical"),
        ),
    )


def _acme_fetcher(params: t.Mapping[str, t.Any], timeout: float) -> Fetcher:
    path = params["acme_ca_path"]
    if not path:
        return Fetcher(timeout=timeout)
    context = Contexts().verifying(path)
    context.check_hostname = True
    return Fetcher(timeout=timeout, context=context)
