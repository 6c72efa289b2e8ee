# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that say secret, and names that only speak about one."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.names import is_secret_name


@pytest.mark.parametrize("name", [
    "password", "passwd", "db_password", "DB_PASSWORD", "PGPASSWORD", "pgpassword", "ansible_password", "ansible_become_password",
    "ansible_become_pass",
    "ansible_ssh_pass", "login_password", "mysql_login_password", "secret", "client_secret", "clientSecret", "SECRET_KEY_BASE", "token",
    "api_token",
    "X-Auth-Token", "apiKey", "api_key", "API-KEY", "access_key", "AWS_SECRET_ACCESS_KEY", "private_key", "credentials", "dsn",
    "SENTRY_DSN",
    "connection_string", "conninfo", "Authorization", "passphrase", "requirepass", "SLACK_WEBHOOK_URL", "cookie", "vault_db_password",
])
def test_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", [
    "user", "host", "password_encryption", "vault_password_file", "ANSIBLE_VAULT_PASSWORD_FILE", "update_password", "token_count",
    "max_tokens_limit",
    "SSH_AUTH_SOCK", "compass", "bypass_rls", "passed", "monkey", "key", "keys", "public_key", "password_expired", "secret_name",
    "no_log", "author",
    "ask_pass", "has_password", "use_token", "primary_key", "conn_max_age", "observed", "hint", "oldest_query_age",
])
def test_not_secret(name: str) -> None:
    assert not is_secret_name(name)
