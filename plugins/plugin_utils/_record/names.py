# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a secret by its name, and what never is.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import re

_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|passwort|(?:^|_)pass(?:$|_)|(?:^|_)pwd(?:$|_)|secret|token|credential|"
    r"(?:api|access|private|secret|encryption|signing|auth|account|master|shared|session|ssh|deploy)_?key|apikey|keypass|"
    r"(?:^|_)dsn(?:$|_)|conn(?:ection)?_?str(?:ing)?(?:$|_)|conninfo|authorization|bearer|(?:^|_)cookies?(?:$|_)|requirepass|masterauth|"
    r"(?:^|_)(?:become|conn)_?pass(?:$|_)|(?:^|_)pat(?:$|_)|webhook_url|(?:^|_)otp(?:$|_)|(?:^|_)psk(?:$|_)|htpasswd",
)
# A name that speaks about a secret without being one.
_ABOUT = re.compile(
    r"(?:_|^)(?:file|files|path|dir|encryption|hash_algorithm|length|len|count|age|lifetime|expir(?:es?|ed|y|ation)(?:_\w+)?|policy|type|hint|"
    r"required|set|enabled|disabled|lock(?:ed|out)?|lock_time|check|checked|env|name|names|timeout|ttl|id|ids|prompt|sock|url_prefix|valid(?:_\w+)?|"
    r"changed|update[ds]?|mode|algorithm|method|version|rotation|min|max|size|limit)$"
    r"|^(?:update|ask|max|min|has|is|no|use|require|need|check|num|count)_",
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")

#: Words that are public names or part of the contracts. As a password one of them is masked where its key or its place
#: says that it is a password, and nowhere else: removing it everywhere would make the record unreadable and hide nothing.
PUBLIC_WORDS = frozenset(
    "postgres postgresql root admin administrator redis default localhost public test true false none null yes no on off user "
    "database template0 template1 ansible "
    "ok warning critical unknown changed failed skipped unreachable planned done gone not_needed moved_on pid_reused refused "
    "not_permitted still_running investigate mitigate verify cancel terminate escalate restart active idle "
    "oncall incident recovery plan actions limits baseline contract rungs checks wait repair relieve".split(),
)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a variable, option, key or environment variable of this name holds a secret.

    `ansible_become_password`, `PGPASSWORD`, `apiKey` and `X-Auth-Token` do; `password_encryption`, `token_count`,
    `vault_password_file` and `update_password` do not.
    """
    flat = _NOT_WORD.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    return bool(_SECRET.search(flat)) and not _ABOUT.search(flat)
