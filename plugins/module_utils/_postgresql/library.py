# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PostgreSQL modules share with Ansible: the library they need on their target, and how their results leave.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib

from .connection import PSYCOPG_TRACEBACK, PSYCOPG_VERSION

_MINIMUM = (3, 1)
_URL = "https://www.psycopg.org/psycopg3/docs/basic/install.html"
_NAME = "psycopg >= 3.1 (pip: psycopg[binary]; Debian and Ubuntu: python3-psycopg; Fedora and RHEL: python3-psycopg3)"
_HIDDEN = "********"


def require_psycopg(module: t.Any) -> None:
    """End the module with a helpful failure when psycopg is missing or too old."""
    if PSYCOPG_VERSION >= _MINIMUM:
        return
    found = f" Found: {'.'.join(str(part) for part in PSYCOPG_VERSION)}." if PSYCOPG_VERSION else ""
    fail_with(
        module, msg=str(missing_required_lib(_NAME, url=_URL)) + found, error="missing_library",
        hint="Install it for the Python that runs the module on this host.", exception=PSYCOPG_TRACEBACK,
    )


def exit_with(module: t.Any, **result: t.Any) -> None:
    """exit_json() whose ids and contract words survive a weak password; see hide_secrets()."""
    module.exit_json(**_outgoing(module, result))


def fail_with(module: t.Any, **result: t.Any) -> None:
    """fail_json() whose ids and contract words survive a weak password; see hide_secrets()."""
    module.fail_json(**_outgoing(module, result))


def hide_secrets(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Remove secrets from free texts: from strings with white space in them, such as queries and messages.

    Ansible removes them from every string. A development password like `postgres`, `incident` or `1234` would then change
    the action ids and the contract's own words, and no plan could ever be approved. Single words of ours hold no secrets.
    """
    if isinstance(value, str):
        if len(value.split()) > 1:
            for secret in sorted(secrets, key=len, reverse=True):
                value = value.replace(secret, _HIDDEN)
        return value
    if isinstance(value, t.Mapping):
        return {key: hide_secrets(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide_secrets(item, secrets) for item in value]
    return value


def without_secrets(params: t.Any) -> t.Any:
    """A module's arguments without the values of its secret options, for the invocation in its result."""
    if isinstance(params, t.Mapping):
        return {key: _HIDDEN if "password" in str(key) and item else without_secrets(item) for key, item in params.items()}
    return [without_secrets(item) for item in params] if isinstance(params, (list, tuple)) else params


def _outgoing(module: t.Any, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    secrets = {str(secret) for secret in module.no_log_values if str(secret)}
    module.no_log_values = set()
    return {**hide_secrets(result, secrets), "invocation": {"module_args": without_secrets(module.params)}}
