# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom the caller's own query may run on a PostgreSQL server.

This module util is PRIVATE to the collection: it may change at any time.

The query names tables, views and functions of others, and a view's functions, a policy or a type's operators are code of whoever owns
them: it runs with the rights of the login that asks. So that login must be one that can do little.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.findings import Finding

#: With any of these, SQL runs programs, or reads or writes files, as the server's own user of the operating system.
REFUSED = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
#: With any of these, SQL ends other people's sessions: more than a query needs, and no way into the host.
TOO_MUCH = ("pg_signal_backend",)

#: The attribute of a role that may make roles and grant them; before PostgreSQL 16 any of REFUSED, to itself too.
CREATEROLE = "CREATEROLE"

MAKE_ROLE = "CREATE ROLE oncall_probe LOGIN PASSWORD '...'; GRANT SELECT ON <the query's tables> TO oncall_probe;"
_NAME_IT = "Name it in probe_login_user (postgres_probe_login_user)."
_BUILT_IN = re.compile(r"select\s+1\s*;?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Rights:
    """What a login may do or become.

    Attributes:
        user: the role that logged in.
        superusers: it, if it is a superuser, and all superusers that it may become by SET ROLE.
        roles: those of REFUSED and TOO_MUCH that it is a member of, directly or through others, inheriting or not.
        createrole: whether it has the attribute CREATEROLE, or may become a role that has it.
    """

    user: str
    superusers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    createrole: bool = False


def is_built_in(query: str) -> bool:
    """Whether the query is `SELECT 1`: it names nothing, so it runs nobody's code, whoever asks."""
    return bool(_BUILT_IN.fullmatch(query.strip()))


def refusal(rights: Rights) -> str:
    """Why the query must not run as this login; empty when it may."""
    able = [role for role in rights.roles if role in REFUSED]
    others = [role for role in rights.superusers if role != rights.user]
    if rights.user in rights.superusers:
        why = "which is a superuser"
    elif others:
        why = f"which may become the superuser {others[0]}"
    elif able:
        why = f"a member of {_listed(able)}"
    else:
        return ""
    return f"The probe query is not run as {rights.user}, {why}: it runs code of the tables' owners."


def advice(rights: Rights) -> str:
    """What would be a better login, where the query may run as this one; empty when it is good."""
    able = [role for role in rights.roles if role in TOO_MUCH]
    has = [*([f"a member of {_listed(able)}"] if able else []), *([f"which has {CREATEROLE}"] if rights.createrole else [])]
    can = [*(["end sessions"] if able else []), *(["grant roles"] if rights.createrole else [])]
    if not has:
        return ""
    return (
        f"The probe query ran as {rights.user}, {' and '.join(has)}: code of the tables' owners can {' and '.join(can)} by it. "
        f"Better a role that cannot: {MAKE_ROLE} {_NAME_IT}"
    )


def remedy() -> str:
    """What to do about a login that is refused."""
    return f"Make it a role of its own: {MAKE_ROLE} {_NAME_IT}"


def refused_for_good(findings: t.Iterable[Finding]) -> str:
    """Why no login may run the query, whatever is done; empty when one may, or when that is not known yet."""
    return " ".join(found.hint for found in findings if found.check == "probe" and found.detail.get("final"))


def _listed(names: t.Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
