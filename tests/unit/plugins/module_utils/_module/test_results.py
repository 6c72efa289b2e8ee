# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How results leave a module: secrets are removed, ids and contract words are not harmed."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible")

from ansible_collections.oncall.incident.plugins.module_utils._module.results import hide_secrets, without_secrets


@pytest.mark.parametrize(("value", "expected"), [
    ("oncall.incident/actions/1", "oncall.incident/actions/1"),
    ("ALTER ROLE app PASSWORD 'incident'", "ALTER ROLE app PASSWORD '********'"),
    ({"query": "SELECT 'incident2' "}, {"query": "SELECT '********' "}),
    ([("a incident", 5, None)], [["a ********", 5, None]]),
])
def test_secrets_leave_texts_and_not_our_own_words(value: Any, expected: Any) -> None:
    assert hide_secrets(value, {"incident", "incident2"}) == expected


def test_secret_options_leave_the_invocation() -> None:
    params = {
        "login_user": "x", "login_password": "x", "alternate_logins": [{"login_password": "y", "login_port": 1}],
        "connect_params": {"sslpassword": "z"}, "passphrases": {"a.p12": "w"},
    }
    assert without_secrets(params) == {
        "login_user": "x", "login_password": "********", "alternate_logins": [{"login_password": "********", "login_port": 1}],
        "connect_params": {"sslpassword": "********"}, "passphrases": "********",
    }
