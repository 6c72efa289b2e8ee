# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redaction: known secrets in every form, named ones, shapes; and what must stay readable."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import re
import string
import textwrap
import time
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._record import forms, patterns
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import KEY_FILE, Redactor, token_key

SECRET = 'pä/ss "w0rd\\ +&\n2nd-line-of-it'
SIMPLE = "hunter2-Tr0ub4dor"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(key=b"k" * 32)


def _appears(secret: str, text: str) -> bool:
    """Whether a secret is in a text in any of the ways a searcher would think of."""
    data = secret.encode()
    pieces = [secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1], data.hex(),
              base64.b64encode(data).decode().rstrip("=")[:-1]]
    return any(piece in text for piece in pieces)


@pytest.mark.parametrize("wrap", [
    pytest.param(lambda s: s, id="whole"),
    pytest.param(lambda s: f"the value is {s}, really", id="inside"),
    pytest.param(lambda s: f"/login?u=x&v={urllib.parse.quote(s, safe='')}", id="url-encoded"),
    pytest.param(lambda s: f"v={urllib.parse.quote_plus(s)}", id="form-encoded"),
    pytest.param(lambda s: re.sub("%..", lambda hit: hit.group().lower(), urllib.parse.quote(s, safe="")), id="lower-case percent"),
    pytest.param(lambda s: json.dumps({"v": s}), id="json"),
    pytest.param(lambda s: json.dumps({"v": s}, ensure_ascii=False), id="json-utf8"),
    pytest.param(lambda s: json.dumps(json.dumps({"v": s})), id="json-in-json"),
    pytest.param(lambda s: repr({"v": s}), id="repr"),
    pytest.param(lambda s: "x " + base64.b64encode(s.encode()).decode(), id="base64"),
    pytest.param(lambda s: "x " + base64.b64encode(b"a" + s.encode() + b"zz").decode(), id="base64 at 1"),
    pytest.param(lambda s: "x " + base64.b64encode(b"user:" + s.encode() + b" zz").decode(), id="base64 at 2"),
    pytest.param(lambda s: "x " + base64.urlsafe_b64encode(b"user:" + s.encode()).decode(), id="base64url"),
    pytest.param(lambda s: base64.encodebytes(b"key: " + s.encode() + b"\n" * 90).decode(), id="wrapped base64"),
    pytest.param(lambda s: "x " + s.encode().hex(), id="hex"),
    pytest.param(lambda s: "a" * 70_000 + s + "b" * 70_000, id="in 140 kB"),
])
@pytest.mark.parametrize("secret", [SECRET, SIMPLE])
def test_a_known_secret_is_found_in_every_form(redactor: Redactor, wrap, secret: str) -> None:
    redactor.learn(secret)
    cleaned, removed = redactor.clean({"field": wrap(secret), "deep": [{"list": [wrap(secret)]}]})
    text = json.dumps(cleaned)
    decoded = "".join(base64.b64decode(member + "==").decode("utf-8", "replace") for member in [cleaned["field"]] if member.isalnum())
    assert removed
    assert not _appears(secret, text) and not _appears(secret, cleaned["field"]) and not _appears(secret, decoded)


def test_lines_of_a_long_secret_are_secrets(redactor: Redactor) -> None:
    body = "\n".join("Abc9" * 17 + str(n) for n in range(4))
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"
    redactor.learn(key)
    assert "Abc9" not in str(redactor.clean({"stdout": key, "lines": key.splitlines()})[0])


def test_the_same_secret_has_the_same_token_in_every_form_and_another_in_another_run() -> None:
    one, other = Redactor(key=b"1" * 32), Redactor(key=b"2" * 32)
    for redactor in (one, other):
        redactor.learn(SIMPLE)
    forms_of_it = [SIMPLE, urllib.parse.quote(SIMPLE), base64.b64encode(SIMPLE.encode()).decode()]
    assert one.text(forms_of_it[0]) == one.text(forms_of_it[1]) == one.token(SIMPLE)
    assert one.token(SIMPLE) != other.token(SIMPLE)


def test_the_key_is_kept_outside_the_run_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, kept = token_key(home, "run-1")
    assert kept and token_key(home, "run-1")[0] == first and token_key(home, "run-2")[0] != first
    assert (home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_without_a_home_the_key_is_not_kept(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    key, kept = token_key(blocked / "home", "run")
    assert not kept and len(key) == 32 and token_key(None, "run")[1] is False


def test_values_under_telling_keys_go_and_are_known_afterwards(redactor: Redactor) -> None:
    cleaned, removed = redactor.clean({
        "msg": "connected with s3cr3t-value-1", "result": {
            "login_password": "s3cr3t-value-1", "login_user": "shop", "credentials": {"a": ["x1y2z3w4v5"], "pin": 123456789}, "api_key": "",
            "password_encryption": "scram-sha-256", "token": None, "secret": True,
        },
    })
    result = cleaned["result"]
    assert "s3cr3t-value-1" not in str(cleaned) and "x1y2z3w4v5" not in str(cleaned) and "123456789" not in str(cleaned)
    assert result["login_user"] == "shop" and result["password_encryption"] == "scram-sha-256"
    assert result["api_key"] == "" and result["token"] is None and result["secret"] is True
    assert removed == 4


def test_learn_named_takes_telling_names_at_any_depth_and_passwords_in_urls(redactor: Redactor) -> None:
    redactor.learn_named({
        "app": {"db": {"db_password": "deep-Pa55"}, "list": [{"api_token": "tok-12345"}]}, "harmless": "shop-db-7",
        "DATABASE_URL": "postgresql://shop:url-Pa55@db.example.org/shop",
    })
    text = redactor.text("deep-Pa55 tok-12345 shop-db-7 url-Pa55")
    assert text.count("[redacted:") == 3 and "shop-db-7" in text


def test_the_environment_s_directories_are_no_passwords(redactor: Redactor) -> None:
    redactor.learn_environment({"PWD": "/srv/checkout", "OLDPWD": "/srv/other", "PGPASSWORD": "env-Pa55word"})
    assert redactor.text("/srv/checkout /srv/other env-Pa55word").startswith("/srv/checkout /srv/other [redacted:")


@pytest.mark.parametrize(("secret", "text", "expected"), [
    ("abc", "abc", True), ("abc", "abcdef abc", False),  # very short: only as the whole value
    ("hunter", "the hunter is", True), ("hunter", "hunters", False),  # short: only as a whole word
    ("postgres", "postgresql on postgres", False), ("done", "done", False),  # public names and our own words
    ("5432", "port 5432", False), ("12345678", "pin 12345678", True),
])
def test_weak_secrets_do_not_destroy_the_record(redactor: Redactor, secret: str, text: str, expected: bool) -> None:
    redactor.learn(secret)
    assert ("[redacted:" in redactor.text(text)) is expected


def test_host_phase_and_status_stay_whatever_is_secret(redactor: Redactor) -> None:
    redactor.learn("db1.example.org")
    cleaned, _removed = redactor.clean({"host": "db1.example.org", "msg": "on db1.example.org"})
    assert cleaned["host"] == "db1.example.org" and "db1" not in cleaned["msg"]


@pytest.mark.parametrize("text", [
    "postgresql://shop:CANARY@db.example.org:5432/shop", "redis://:CANARY@192.0.2.1/0", "http://bob:p@CANARY@example.org/",
    "amqp://u:CANARY/x@h/v",
    "host=db port=5432 user=shop password=CANARY dbname=shop", "host=db password='CANARY x' dbname=shop", 'PGPASSWORD="CANARY" psql',
    "https://example.org/hook?token=CANARY&x=1", "https://example.org/?x=1&api_key=CANARY", "https://example.org/x;access_token=CANARY",
    "Authorization: Bearer CANARY", "authorization: Basic CANARY", '"Authorization": "Bearer CANARY"', "-H 'Authorization: token CANARY'",
    "Bearer CANARY0123456789abcdef", "X-Api-Key: CANARY", "Set-Cookie: session=CANARY; HttpOnly", "DB_PASSWORD: CANARY",
    "db_password = CANARY",
    '{"password": "CANARY"}', "{'password': 'CANARY'}", '{\\"password\\": \\"CANARY\\"}', "password => 'CANARY'",
    "ALTER ROLE shop PASSWORD 'CANARY'", "CREATE USER x IDENTIFIED BY 'CANARY'", "CONFIG SET requirepass CANARY", "masterauth CANARY",
    "pg_dump --password CANARY", "tool --api-key=CANARY -x", "mysql -u root -pCANARY db", "mysqldump -h x -p CANARY",
    "redis-cli -h x -a CANARY ping",
    "sshpass -p CANARY ssh host", "curl -s -u bob:CANARY https://example.org", "ldapsearch -x -w CANARY", "openssl rsa -passin pass:CANARY",
    "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nCANARY cut off",
    "mysqldump -p'CANARY CANARY' shop", 'mysql -uroot -p"CANARY\\" CANARY" shop', "mariadb -p 'CANARY CANARY'",
    "mysql -p'CANARY and cut off",
    "redis-cli -a 'CANARY CANARY' ping", "sshpass -p'CANARY CANARY' ssh db", "curl -u 'bob:CANARY CANARY' https://example.org",
    "ldapsearch -x -w 'CANARY CANARY' -b dc=x", "openssl rsa -passin 'pass:CANARY CANARY' -in x",
    "openssl enc -aes-256-cbc -k CANARY -in x", "openssl aes-256-cbc -d -k 'CANARY CANARY' -in x", "/usr/bin/openssl enc -K CANARY -iv 00",
    "AUTH CANARY", "AUTH ann CANARY", "ping\nAUTH CANARY\nINFO", '"AUTH" "CANARY"',
    "127.0.0.1:6379> auth CANARY", "echo 'AUTH CANARY' | nc db 6379",
    "redis-cli -h x auth ann CANARY", "HELLO 3 AUTH ann CANARY", "AUTH PLAIN_CANARY", '   2) AUTH "CANARY"',
    "primary_conninfo = 'host=a user=b password=CANARY'", "passwd: CANARY", "client_secret=CANARY&grant=x",
])
def test_secrets_are_found_by_their_place(redactor: Redactor, text: str) -> None:
    assert "CANARY" not in redactor.text(text), redactor.text(text)


@pytest.mark.parametrize("text", [
    "AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "github_pat_" + "a1B2" * 9, "glpat-" + "a1B2" * 5, "xoxb-123456789012-abcdef",
    "https://hooks.slack.com/services/T000/B000/XXXX", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "sk_live_" + "a1B2" * 5, "hvs." + "a1B2" * 8,
    "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "AIza" + "a1B2c" * 7,
])
def test_tokens_are_found_by_their_shape(redactor: Redactor, text: str) -> None:
    assert "[redacted:" in redactor.text(f"x {text} y")


@pytest.mark.parametrize("text", [
    "http://example.org:8080/path?mail=a@b", "https://example.org/x?page=2&sort=name", "ssh -p 22 host", "psql -p 5432 -U shop",
    "mkdir -p /tmp/x",
    "password authentication failed for user \"shop\"", "password_encryption = scram-sha-256", "token_count: 17",
    "--vault-password-file /x/y",
    "password={{ db_password }}", "password: '{{ vault_x }}'", "PASSWORD=$DB_PASSWORD", "password=********", "see the secret sauce",
    "monkey=1", "AUTH failed", "AUTH LOGIN", "250-AUTH PLAIN LOGIN", "250 AUTH LOGIN CRAM-MD5",
    "AUTH error: no such user", "the AUTH command was called",
    "ERR Client sent AUTH, but no password is set", "NOAUTH Authentication required.",
    "auth required pam_unix.so", "auth sufficient pam_rootok.so",
    "auth failures in the last hour", "pam_unix(sshd:auth): check pass; user unknown", '"auth" "login"', "AUTH",
    "openssl x509 -in a.pem -noout", "openssl s_client -connect x:443", "openssl enc -aes-256-cbc -kfile /x -in y", "openssl version",
    "mysql -h db -P 3306 shop", "mysqld --port 3306", "mysql -p", "mysql -p '' shop",
    "a bypass: none of them", "mysqldump --skip-lock-tables shop",
    "SELECT pg_terminate_backend(4711)",
    "terminate|postgresql:7412345678901234567/1763724000.5|backend_start=2026-11-21T12:00:00Z,pid=4711",
    "d41d8cd98f00b204e9800998ecf8427e", "2026-11-21T12:17:53.373Z", "f2b38096071e9906346b00d74955906c80369cf492e45cfe41cb3019f90dee5e",
])
def test_what_is_no_secret_stays(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_slurped_content_is_cleaned_inside(redactor: Redactor) -> None:
    content = base64.b64encode(b"db_password: CANARY-in-file\nother: stays\n").decode()
    cleaned, _removed = redactor.clean({"result": {"content": content, "encoding": "base64", "source": "/etc/app.yml"}})
    inside = base64.b64decode(cleaned["result"]["content"]).decode()
    assert "CANARY" not in inside and "other: stays" in inside


def test_command_lines(redactor: Redactor) -> None:
    argv = ["ansible-playbook", "-e", "db_password=CANARY1 x=1", "-e", '{"api_token": "CANARY2", "n": 2}',
            "--extra-vars=secret='CANARY3 x'", "-etoken=CANARY4", "-e", "@vars.yml", "-e", "{yaml: not json, p: CANARY5}",
            "--vault-password-file", "vp", "--private-key", "/k/id", "x.yml"]
    cleaned = redactor.argv(argv)
    text = " ".join(cleaned)
    assert "CANARY" not in text
    for kept in ("x=1", '"n": 2', "@vars.yml", "vault-password-file vp", "/k/id", "x.yml"):
        assert kept in text
    assert "[redacted" in redactor.text("CANARY1 seen later, a short secret as a word")


def test_argument_lists(redactor: Redactor) -> None:
    cleaned, _removed = redactor.clean({"cmd": ["psql", "--password", "CANARY", "-c", "select 1"]})
    assert cleaned["cmd"][1] == "--password" and "CANARY" not in str(cleaned) and cleaned["cmd"][4] == "select 1"


@pytest.mark.parametrize("text", [
    '{"password":"a\\"%s"}', "'password': 'it\\'s %s'", 'password="%s and the log was cut here', "DB_PASSWORD=a,;&)<%s\nHOME=/root",
    "host=db password=x)%s dbname=shop", "<db:password>%s</db:password>", "AccountKey=%s;EndpointSuffix=x",
])
def test_no_part_of_a_secret_is_left_over(redactor: Redactor, text: str) -> None:
    cleaned = redactor.text(text % SIMPLE)
    assert SIMPLE not in cleaned and "[redacted:" in cleaned


@pytest.mark.parametrize("text", ['{"password": "", "host": "db"}', 'PGPASSWORD="" psql -h db', "password='' dbname=shop"])
def test_an_empty_password_takes_nothing_with_it(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


@pytest.mark.parametrize("words", [
    ["mysql", "-uroot", f"-p{SIMPLE}", "shop"], ["/usr/bin/redis-cli", "-a", SIMPLE, "info"], ["sshpass", "-p", SIMPLE, "ssh", "db"],
    ["sudo", "curl", "-u", f"bob:{SIMPLE}", "https://db.example.org"],
])
def test_commands_as_lists(redactor: Redactor, words: list[str]) -> None:
    cleaned = redactor.clean({"cmd": words})[0]["cmd"]
    assert SIMPLE not in str(cleaned) and [word for word in words if SIMPLE not in word] == [word for word in cleaned if "[red" not in word]


def test_a_container_s_environment(redactor: Redactor) -> None:
    cleaned, _removed = redactor.clean({"env": [{"name": "DB_PASSWORD", "value": SIMPLE}, {"name": "DB_HOST", "value": "db"}]})
    assert SIMPLE not in str(cleaned) and cleaned["env"][1] == {"name": "DB_HOST", "value": "db"}


@pytest.mark.parametrize("password", ["db1", "shop-db", "shop", "recovery", "incident"])
def test_a_password_that_is_a_name_the_plan_is_built_of_stays_there(redactor: Redactor, password: str) -> None:
    redactor.learn(password)
    redactor.leave(["db1", "shop-db.example.org", "20260102T030405Z-db-recovery-0a1b2c"])
    redactor.learn(password)
    plan = {
        "contract": "oncall.incident/plan/1", "run": "20260102T030405Z-db-recovery-0a1b2c",
        "actions": {"db1": [], "shop-db.example.org": [], "shop-db": []},
    }
    assert redactor.clean({"plan": plan})[0]["plan"] == plan
    assert redactor.clean({"login_password": password})[0]["login_password"].startswith("[redacted:")


def test_environment_and_local_facts_are_dropped(redactor: Redactor) -> None:
    facts = {"ansible_env": {"X": "CANARY"}, "ansible_local": {"y": "CANARY"}, "ansible_kernel": "6.1", "env": "prod"}
    gathered = {"env": {"X": "CANARY"}, "local": {"y": "CANARY"}, "all_ipv4_addresses": ["192.0.2.1"]}
    cleaned, _removed = redactor.clean({"result": {"ansible_facts": facts}, "shown": gathered})
    assert "CANARY" not in str(cleaned)
    assert cleaned["result"]["ansible_facts"]["ansible_kernel"] == "6.1" and cleaned["result"]["ansible_facts"]["env"] == "prod"


def test_copies_of_stdout_are_dropped(redactor: Redactor) -> None:
    cleaned, _removed = redactor.clean({"result": {"stdout": "a\nb", "stdout_lines": ["a", "b"], "x": {"stderr": "", "stderr_lines": []}}})
    assert cleaned == {"result": {"stdout": "a\nb", "x": {"stderr": ""}}}


def test_anything_becomes_json(redactor: Redactor) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    loop: list[object] = []
    loop.append(loop)
    cleaned, _removed = redactor.clean({
        "a": float("nan"), "b": b"bytes\xff", "c": {1: (2, {3})}, "d": Odd(), "e": loop, "f": "\ud800", "g": {"$blob": 2},
    })
    json.dumps(cleaned, allow_nan=False)
    assert cleaned["a"] == "nan" and cleaned["c"] == {"1": [2, [3]]} and cleaned["d"] == "odd" and cleaned["g"] == {"$$blob": 2}


def test_vaulted_values_and_placeholders(redactor: Redactor) -> None:
    class EncryptedString:
        def __init__(self, text: str | None) -> None:
            self.text = text

        def __str__(self) -> str:
            if self.text is None:
                raise RuntimeError("no vault password")
            return self.text

    arguments = {"a": EncryptedString("CANARY-vaulted"), "b": EncryptedString(None)}
    cleaned, removed = redactor.clean({"args": arguments, "msg": "CANARY-vaulted"})
    assert "CANARY" not in str(cleaned) and cleaned["args"]["b"] == "[EncryptedString]" and removed == 2


def test_fields_of_ours_keep_their_type(redactor: Redactor) -> None:
    assert redactor.clean({"status": None, "phase": 3, "host": "db1"})[0] == {"status": None, "phase": 3, "host": "db1"}


def test_configured_names_and_patterns() -> None:
    redactor = Redactor(key=b"k" * 32, names=["shop_pepper"], extra_patterns=[r"IBAN\d+", r"cust:(?P<secret>\d+)"])
    cleaned, _removed = redactor.clean({"Shop_Pepper": "CANARY", "msg": "IBAN12345 cust:777 shop"})
    assert not any(secret in str(cleaned) for secret in ("CANARY", "12345", "777")) and cleaned["msg"].endswith(" shop")
    with pytest.raises(BadInput, match="redact_patterns"):
        Redactor(key=b"k" * 32, extra_patterns=["("])


def test_any_of_finds_every_form_and_the_longest() -> None:
    rng = random.Random(7)
    words = ["".join(rng.choice("abc.*+|(") for _ in range(rng.randint(1, 12))) for _ in range(400)]
    pattern = re.compile(forms.any_of(words))
    for word in words:
        assert pattern.fullmatch(word)
        longest = max((other for other in words if word.startswith(other)), key=len)
        assert pattern.match(word).group() == longest  # type: ignore[union-attr]


def test_a_payload_full_of_secrets_is_cleaned_in_a_few_passes(redactor: Redactor) -> None:
    """Each new one must not cost a new search expression."""
    secrets = [f"CANARY-number-{number}" for number in range(1500)]
    cleaned, removed = redactor.clean({"msg": " ".join(secrets), "result": [{"login_password": secret, "user": "x"} for secret in secrets]})
    assert "CANARY" not in json.dumps(cleaned) and removed >= 1500


@pytest.mark.parametrize("text", ["." * 60_000, "-" * 60_000, "a" * 60_000, 'password="' * 6_000, 'password="' + "\\" * 60_000])
def test_no_text_makes_a_pattern_search_without_end(redactor: Redactor, text: str) -> None:
    began = time.process_time()
    redactor.text(text + " token")
    assert time.process_time() - began < 2


@pytest.mark.slow
def test_thousands_of_secrets_stay_fast(redactor: Redactor) -> None:
    """Not a time limit to be proud of: an alternation tried member by member takes minutes here."""
    rng = random.Random(1)
    secrets = ["".join(rng.choice(string.ascii_letters + string.digits) for _ in range(20)) for _ in range(1000)]
    redactor.learn(secrets)
    text = textwrap.fill(" ".join("".join(rng.choice(string.ascii_lowercase) for _ in range(7)) for _ in range(20_000)))
    assert "[redacted:" not in redactor.text(text)
    assert redactor.text(text + secrets[500]).endswith(redactor.token(secrets[500]))


_FRAGMENTS = ("pass", "PASSWORD", "db_token", "Api-Key", "=", ": ", " => ", '"', "'", "\\", "\n", "\r\n", " ", "&", "?", "x7", "İ",
              "plain words ", "secret", "{", "}", "[", ",", ";", "PGDSN",
              " DB_PASSWORD=hunter2", "api_key: \"a b\"", "\nAUTH hunter2\n", " password 'hunter2' ")


@pytest.mark.parametrize("rule", [rule for rule in patterns.RULES if rule.within_line], ids=lambda rule: rule.name)
@pytest.mark.parametrize("seed", range(20))
def test_of_a_long_text_only_the_lines_with_a_hint_change_nothing_about_what_is_found(rule: patterns.Rule, seed: int) -> None:
    chosen = random.Random(seed)
    fragments = _FRAGMENTS if seed % 4 else [fragment for fragment in _FRAGMENTS if fragment != "İ"]
    text = "".join(chosen.choice(fragments) if chosen.random() < 0.4 else "nothing to see\n" for _ in range(2000))
    found: list[str] = []

    def note(secret: str) -> str:
        found.append(secret)
        return "[redacted:000000000000]"

    # Without within_line the same expression sees the whole text at once.
    whole = dataclasses.replace(rule, within_line=False).replace(text, note)
    expected, found[:] = list(found), []
    assert rule.replace(text, note) == whole
    assert found == expected and len(expected) > 3
