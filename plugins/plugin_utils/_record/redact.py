# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one choke point: everything that enters a record passes Redactor.clean() before it is hashed.

This plugin util is PRIVATE to the collection: it may change at any time.

A removed secret leaves `[redacted:<12 hex>]`, the beginning of an HMAC-SHA-256 over it. The key is derived from one that
is in the recorder's home, outside every run, and from the run's id: within a run the same secret has the same token,
between runs it has not, and the holder of the key can confirm a suspected value. A plain hash of a short secret would be
guessed at once.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import math
import os
import re
import secrets as random_bytes
import shlex
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ...module_utils._core.errors import BadInput
from ...module_utils._core.shown import SECRET_PARTS
from . import carriers, forms, layout, patterns
from .errors import CannotRecord
from .names import PUBLIC_WORDS, is_secret_name
from .utf8 import to_bytes

KEY_FILE = "redaction.key"
_TOKEN = re.compile(r"\[redacted:[0-9a-f]{12}\]")
_WORD = re.compile(r"\w+")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\-\r\n]{16,}\Z")
# Facts that hold the whole environment, or whatever a host's own scripts print.
_DROPPED_FACTS = frozenset({"ansible_env", "ansible_local"})
_DROPPED_OF_FACTS = frozenset({"env", "local"})
_FACTS_MARK = frozenset({"all_ipv4_addresses", "gather_subset", "default_ipv4", "userspace_bits"})
# Top-level fields from our own vocabulary and the inventory's names: a secret of the same spelling must not unmake them.
_PLAIN_FIELDS = frozenset({"host", "phase", "status", "task_id"})
# What every client says.
_PUBLIC_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-length", "content-type", "host", "user-agent"})
# Not passwords.
_DIRECTORIES = frozenset({"PWD", "OLDPWD"})
# What Ansible adds for convenience, by what it is a copy of.
_DUPLICATES = {"stdout_lines": "stdout", "stderr_lines": "stderr"}
_DEEPEST = 64
_TOO_DEEP = "[too deep]"
_SHORTEST_NUMBER = 6
# Values that results reveal are learned up to here: a thousand have six thousand forms, and looking for all of them must
# stay affordable. What is known beforehand has no limit, and what a telling name or place shows is always masked there.
_MOST_LEARNED = 2000
_CACHE_ENTRIES = 8192
_LONGEST_COMMAND = 200
_CACHED_LENGTH = 256
_SECRET_FLAG = re.compile(r"--?[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api-?key|credential)\Z", re.IGNORECASE)
#: ansible-playbook's options that speak of secrets and take a path.
_PATH_OPTIONS = frozenset({
    "--private-key", "--key-file", "--vault-password-file", "--vault-pass-file", "--become-password-file", "--become-pass-file",
    "--connection-password-file", "--conn-pass-file", "--vault-id",
})


def token_key(home: Path | None, run: str) -> tuple[bytes, bool]:
    """The key of a run's tokens, and whether it can be made again from what is kept in the home.

    Args:
        home: the recorder's home; its key file is made for the owner only when missing. None keeps nothing.
        run: the run's id.
    """
    base = _kept_key(home) if home is not None else None
    return hmac.digest(base or random_bytes.token_bytes(32), to_bytes(run), "sha256"), base is not None


def _kept_key(home: Path) -> bytes | None:
    path = home / KEY_FILE
    try:
        layout.make_private(home)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(fd, "wb") as stream:
                stream.write(random_bytes.token_bytes(32))
        key = path.read_bytes()
    except (OSError, CannotRecord):
        return None  # the record must not depend on it
    return key if len(key) == 32 else None


_in_use: Redactor | None = None


def use(redactor: Redactor) -> None:
    """Make this the redactor of the process: workers that are forked from it have all that it has learned."""
    global _in_use
    _in_use = redactor


def current() -> Redactor | None:
    """The recorder's redactor; None where nobody records."""
    return _in_use


class Redactor:
    """Removes secrets: known ones in every form, named ones by their key, others by their shape.

    Signatures (fixed):
        Redactor(*, key) ; Redactor.for_run(home, run)
        learn(value) ; learn_named(variables) ; learn_environment(environ)
        clean(payload) -> (payload, removed) ; text(text) -> str ; argv(arguments) -> list[str]

    Args:
        key: for the tokens, see token_key().
        names: further names, lower case, whose values are secrets.
        extra_patterns: further regular expressions; the group `secret`, or else the whole match, is removed.

    Raises:
        BadInput: a pattern is not a regular expression.
    """

    def __init__(self, *, key: bytes, names: t.Iterable[str] = (), extra_patterns: t.Iterable[str] = ()) -> None:
        self._key = key
        self._names = frozenset(names)
        self._rules = tuple(_compiled(pattern) for pattern in extra_patterns)
        self._tokens: dict[str, str] = {}  # form -> token, for forms looked for inside texts
        self._words: dict[str, str] = {}  # the same, looked for as whole words
        self._whole: dict[str, str] = {}  # the same, only as whole values
        self._known: set[str] = set()
        self._public = PUBLIC_WORDS
        self._inside: re.Pattern[str] | None = None
        self._as_word: re.Pattern[str] | None = None
        self._stale = False
        self._walking = False
        self._cache: dict[str, str] = {}
        self._removed = 0

    @classmethod
    def for_run(cls, home: Path | None, run: str) -> Redactor:
        """A redactor whose tokens are the same in all executions of a run."""
        return cls(key=token_key(home, run)[0])

    # What is secret

    def learn(self, value: t.Any) -> None:
        """From now on remove this value: a text, a number, or every leaf of a list or dictionary."""
        if isinstance(value, Mapping):
            for member in value.values():
                self.learn(member)
        elif isinstance(value, (list, tuple, set, frozenset)):
            for member in value:
                self.learn(member)
        elif isinstance(value, bytes):
            self.learn(value.decode("utf-8", "surrogateescape"))
        elif isinstance(value, str):
            self._learn_text(_plain(value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self._learn_text(str(value))

    def leave(self, names: t.Iterable[str]) -> None:
        """Names that the record and the plan are built of, such as hosts': as PUBLIC_WORDS, with the words they consist of."""
        fresh = {word for name in names for word in (name.lower(), *name.lower().split("."), *_WORD.findall(name.lower()))} - self._public
        self._public |= fresh
        for secret in [secret for secret in self._known if secret.strip().lower() in fresh]:
            self._known.discard(secret)
            self._stale = True
            token = self.token(secret)
            for known in (self._tokens, self._words, self._whole):
                for form in [form for form, its in known.items() if its == token]:
                    del known[form]

    def learn_named(self, variables: t.Mapping[t.Any, t.Any], *, depth: int = 0) -> None:
        """Learn the values whose names say that they are secrets, at any depth, and the passwords inside URLs."""
        for name, value in variables.items():
            if isinstance(name, str) and self._is_secret(name):
                self.learn(value)
            self._learn_members(value, depth + 1)

    def learn_environment(self, environ: t.Mapping[str, str]) -> None:
        """Learn the environment variables whose names say so, and the passwords inside URLs of any of them."""
        self.learn_named({name: value for name, value in environ.items() if name not in _DIRECTORIES})

    def _learn_members(self, value: t.Any, depth: int) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(value, Mapping):
            self.learn_named(value, depth=depth)
        elif isinstance(value, (list, tuple)):
            for member in value:
                self._learn_members(member, depth + 1)
        elif isinstance(value, str) and "://" in value:
            patterns.apply(_plain(value), mask=_same, learn=self._learn_only)

    def _learn_text(self, secret: str) -> None:
        stripped = secret.strip()
        if secret in self._known or not stripped:
            return
        if stripped.lower() in self._public or patterns.is_harmless(stripped) or patterns.is_template(stripped) or _TOKEN.search(secret):
            return
        if stripped.isdigit() and len(stripped) < _SHORTEST_NUMBER:
            return  # it would take ports, counts and ages with it
        self._known.add(secret)
        token = self.token(secret)
        self._stale = True
        if len(stripped) < forms.SHORTEST:
            self._whole[stripped] = token
            return
        plain = forms.plain_forms(stripped) | (forms.plain_forms(secret) if secret != stripped else set())
        for form in plain:
            (self._words if forms.is_word(stripped) else self._tokens)[form] = token
        for form in forms.encoded_forms(stripped):
            self._tokens.setdefault(form, token)
        for line in forms.lines_of(stripped):
            self._learn_text(line)

    def token(self, secret: str) -> str:
        """What takes the secret's place."""
        data = secret.strip().encode("utf-8", "surrogatepass")
        return f"[redacted:{hmac.new(self._key, data, hashlib.sha256).hexdigest()[:12]}]"

    def _is_secret(self, name: str) -> bool:
        return is_secret_name(name) or (bool(self._names) and name.lower() in self._names)

    # Removing it

    def clean(self, payload: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], int]:
        """A JSON-like copy of the payload without secrets, and how many were removed.

        What the payload itself reveals to be a secret is removed from all of it.
        """
        cleaned: dict[str, t.Any] = {}
        for _attempt in range(3):
            known = len(self._known)
            self._removed = 0
            self._prepare()
            self._walking = True
            try:
                cleaned = {
                    key: _plain(value) if key in _PLAIN_FIELDS and isinstance(value, str) else self._value(value, 0, self._is_secret(key))
                    for key, value in payload.items()
                }
            finally:
                self._walking = False
            if len(self._known) == known:
                break
        return cleaned, self._removed

    def text(self, text: str) -> str:
        """The text without secrets."""
        if len(text) > _CACHED_LENGTH:
            return self._text(text)
        self._prepare()
        cached = self._cache.get(text)
        if cached is not None:
            if cached != text:
                self._removed += 1
            return cached
        known = len(self._known)
        result = self._text(text)
        if known == len(self._known):
            if len(self._cache) >= _CACHE_ENTRIES:
                self._cache.clear()
            self._cache[text] = result
        return result

    def data(self, data: bytes) -> bytes:
        """Bytes that are text, without secrets."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def argv(self, arguments: t.Sequence[str]) -> list[str]:
        """A command line without the secrets in extra vars and password options."""
        result: list[str] = []
        expect = ""
        for argument in arguments:
            option, equals, value = argument.partition("=")
            if expect == "vars":
                result.append(self._extra_vars(argument))
                expect = ""
            elif expect == "secret":
                result.append(self._mask(argument))
                expect = ""
            elif argument in ("-e", "--extra-vars"):
                result.append(argument)
                expect = "vars"
            elif equals and option == "--extra-vars":
                result.append(f"{option}={self._extra_vars(value)}")
            elif argument.startswith("-e") and len(argument) > 2 and not argument.startswith("--"):
                result.append("-e" + self._extra_vars(argument[2:]))
            elif equals and option not in _PATH_OPTIONS and _SECRET_FLAG.match(option):
                result.append(f"{option}={self._mask(value)}")
            else:
                if argument not in _PATH_OPTIONS and _SECRET_FLAG.match(argument):
                    expect = "secret"
                result.append(self.text(argument))
        return result

    def _extra_vars(self, text: str) -> str:
        """One value of -e: a file, JSON, or key=value pairs."""
        if text.startswith("@"):
            return self.text(text)
        if text.lstrip()[:1] in ("{", "["):
            try:
                return json.dumps(self._value(json.loads(text), 0))
            except ValueError:
                return self._mask(text)  # YAML perhaps: not worth a guess
        try:
            words = shlex.split(text)
        except ValueError:
            return self._mask(text)
        pairs = [word.partition("=") for word in words]
        result = []
        for name, equals, value in pairs:
            secret = bool(value) and self._is_secret(name)
            if secret:
                self.learn(value)
            result.append(name + equals + (self._mask(value) if secret else self.text(value)))
        return " ".join(result)

    def _value(self, value: t.Any, depth: int, secret: bool = False) -> t.Any:
        """A JSON-like copy without secrets. `secret`: the key above says that all of it is one."""
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is dict:
            return self._mapping(value, depth, secret) if depth <= _DEEPEST else _TOO_DEEP
        if kind is str or isinstance(value, str):
            text = _plain(value)
            if secret and text and not patterns.is_template(text) and not patterns.is_harmless(text):
                return self._learn_and_mask(text)
            return self.text(text)
        if isinstance(value, int):
            number = int(value)
            if secret:
                return self._mask(str(number))
            if self._whole or self._words or self._tokens:
                text = str(number)
                replaced = self.text(text) if len(text) >= forms.SHORTEST else text
                return number if replaced == text else replaced
            return number
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        if depth > _DEEPEST:
            return _TOO_DEEP
        if isinstance(value, Mapping):
            return self._mapping(value, depth, secret)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._sequence(value, depth, secret)
        return self._other(value, depth, secret)

    def _mapping(self, value: t.Mapping[t.Any, t.Any], depth: int, secret: bool) -> dict[str, t.Any]:
        result: dict[str, t.Any] = {}
        dropped = _DROPPED_FACTS if _FACTS_MARK.isdisjoint(value) else _DROPPED_FACTS | _DROPPED_OF_FACTS
        for key, member in value.items():
            name = self.text(_plain(key) if isinstance(key, str) else str(key))
            if name.startswith("$"):  # ours: blobs
                name = "$" + name
            if name in _DUPLICATES and _DUPLICATES[name] in value:
                continue
            if name in dropped:
                self._learn_members(member, depth)
                result[name] = "[dropped]"
                continue
            result[name] = self._value(member, depth + 1, secret or self._is_secret(name))
        if "url" in value:  # a request: what is sent with it, whatever its names are
            for part in SECRET_PARTS:
                if part in value:
                    result[part] = self._sent(value[part], depth + 1)
        named = value.get("name", value.get("key"))
        if isinstance(named, str) and isinstance(value.get("value"), (str, int)) and self._is_secret(named):  # a container's environment
            result["value"] = self._value(value["value"], depth + 1, True)
        if value.get("encoding") == "base64" and isinstance(value.get("content"), str):
            result["content"] = self._base64(_plain(value["content"]))
        return result

    def _sent(self, value: t.Any, depth: int) -> t.Any:
        """What is sent with a request. It is not learned: a value such as 1 would be removed everywhere."""
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): self._value(member, depth + 1) if str(name).lower() in _PUBLIC_HEADERS else self._mask(str(member))
                for name, member in value.items()
            }
        return self._mask(str(value)) if isinstance(value, str) else self._value(value, depth)

    def _sequence(self, value: t.Iterable[t.Any], depth: int, secret: bool) -> list[t.Any]:
        result: list[t.Any] = []
        flag = False
        if isinstance(value, (list, tuple)) and 1 < len(value) <= _LONGEST_COMMAND:
            value = self._command_line(value)
        for member in value:
            is_text = isinstance(member, str)
            result.append(self._mask(_plain(member)) if flag and is_text else self._value(member, depth + 1, secret))
            flag = is_text and bool(_SECRET_FLAG.match(member))
        return result

    def _command_line(self, words: t.Sequence[t.Any]) -> t.Sequence[t.Any]:
        """A command as a list of its words: what the rules find in the whole line is masked in its word."""
        if not all(isinstance(word, str) for word in words):
            return words
        words = list(words)
        for index, (begin, end) in carriers.in_list(words):
            word = _plain(words[index])
            if not patterns.is_harmless(word[begin:end]):
                words[index] = word[:begin] + self._mask(word[begin:end]) + word[end:]
        if not any(patterns.is_program(word) for word in words):
            return words
        found: list[str] = []

        def note(secret: str) -> str:
            found.append(secret)
            return "[redacted:000000000000]"

        patterns.apply(" ".join(map(_plain, words)), mask=note, learn=note)
        hidden = sorted(set(found), key=len, reverse=True)
        return [self._without(_plain(word), hidden) for word in words]

    def _without(self, text: str, secrets: t.Iterable[str]) -> str:
        for secret in secrets:
            if text.endswith(secret):
                return text[:-len(secret)] + self._mask(secret)
        return text

    def _other(self, value: t.Any, depth: int, secret: bool) -> t.Any:
        if isinstance(value, (bytes, bytearray)):
            return self._value(bytes(value).decode("utf-8", "surrogateescape"), depth, secret)
        if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
            return value.isoformat()
        kind = type(value).__name__
        try:
            text = str(value)
        except Exception:  # a vaulted value that nobody can decrypt, a placeholder for an undefined variable
            return f"[{kind}]"
        # A vaulted value that was not decrypted yet: its text is the secret.
        return self._learn_and_mask(text) if "Encrypted" in kind or "Vault" in kind else self._value(text, depth, secret)

    def _text(self, text: str) -> str:
        self._prepare()
        whole = self._whole.get(text)
        if whole is not None:
            self._removed += 1
            return whole
        if self._inside is not None:
            text = self._inside.sub(self._replace_form, text)
        if self._as_word is not None:
            text = self._as_word.sub(self._replace_word, text)
        text = patterns.apply(text, mask=self._mask, learn=self._learn_and_mask)
        for rule in self._rules:
            text = rule.replace(text, self._mask)
        return self._base64(text) if len(text) >= 16 and _BASE64.match(text) else text

    def _base64(self, text: str) -> str:
        """A whole value that is base64: secrets are removed from the text inside, which is encoded again."""
        compact = text.replace("\n", "").replace("\r", "").replace("-", "+").replace("_", "/")
        if len(compact) % 4 == 1:
            return text
        try:
            inside = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return text
        cleaned = self._text(inside)
        return text if cleaned == inside else base64.b64encode(cleaned.encode("utf-8", "surrogatepass")).decode("ascii")

    def _prepare(self) -> None:
        """Take in what was learned. Not in the middle of a payload, which is cleaned again if it taught something."""
        if not self._stale or self._walking:
            return
        self._stale = False
        self._cache.clear()
        self._inside = re.compile(forms.any_of(self._tokens)) if self._tokens else None
        self._as_word = re.compile(rf"(?<![A-Za-z0-9_])(?:{forms.any_of(self._words)})(?![A-Za-z0-9_])") if self._words else None

    def _replace_form(self, found: re.Match[str]) -> str:
        self._removed += 1
        return self._tokens[found.group()]

    def _replace_word(self, found: re.Match[str]) -> str:
        self._removed += 1
        return self._words[found.group()]

    def _mask(self, secret: str) -> str:
        if _TOKEN.fullmatch(secret):
            return secret
        self._removed += 1
        return self.token(secret)

    def _learn_and_mask(self, secret: str) -> str:
        if len(secret) >= forms.SHORTEST_INSIDE_WORDS and len(self._known) < _MOST_LEARNED:
            self._learn_text(secret)
        return self._mask(secret)

    def _learn_only(self, secret: str) -> str:
        self._learn_text(secret)
        return secret


def _plain(text: str) -> str:
    """The text without what Ansible hangs on its strings."""
    return str.__str__(text)


def _compiled(pattern: str) -> patterns.Rule:
    try:
        expression = re.compile(pattern)
    except re.error as exc:
        raise BadInput(
            f"redact_patterns: {pattern!r} is not a regular expression: {exc}.", hint="Correct it in [callback_evidence].",
        ) from exc
    if "secret" not in expression.groupindex:
        expression = re.compile(f"(?P<secret>{pattern})", expression.flags)
    return patterns.Rule(name="configured", hints=(), pattern=expression)


def _same(text: str) -> str:
    return text
