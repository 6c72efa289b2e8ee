# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of drills, as far as they go without a host to break."""

from __future__ import annotations

import datetime
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support import pki

FAULTS = Path(__file__).resolve().parents[4] / "roles" / "drill" / "files" / "faults"
NAMES = sorted(path.stem for path in FAULTS.glob("[!_]*.py"))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """They import each other as on the host, where they are in one directory."""
    monkeypatch.syspath_prepend(str(FAULTS))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(str(sys.modules[name].__file__)).parent == FAULTS:
            del sys.modules[name]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What systemd is told: every command of a fault that is run, and none runs."""
    told: list[list[str]] = []
    common = importlib.import_module("_common")
    monkeypatch.setattr(common.subprocess, "run", lambda argv, **_more: told.append(list(argv)) or SimpleNamespace(returncode=0, stdout=""))
    return told


def asked(place: Path, **params: Any) -> Any:
    (place / "kept").mkdir(exist_ok=True)
    made = importlib.import_module("_common").Asked
    return made(unit="oncall-drill-x-1-f", user="root", mark="abcd1234", kept=place / "kept", params=params)


def run(place: Path, *arguments: str, fault: str = "fill_disk") -> subprocess.CompletedProcess[str]:
    """A fault as it is on the host, with what is beside it."""
    for path in [FAULTS / f"{fault}.py", *FAULTS.glob("_*.py")]:
        (place / path.name).write_text(path.read_text())
    argv = [sys.executable, "-B", str(place / f"{fault}.py"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("fault", NAMES)
def test_a_fault_has_three_verbs(tmp_path: Path, fault: str) -> None:
    done = run(tmp_path, "break", fault=fault)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"usage: {fault}.py inject|remove|left\n")
    # Without what is asked nothing was injected.
    done = run(tmp_path, "remove", fault=fault)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_asked_is_read_from_the_file_beside_the_fault(tmp_path: Path) -> None:
    path, kept = tmp_path / "log", tmp_path / "kept"
    kept.mkdir()
    (kept / "made").touch()
    path.write_text("full")
    told = {"unit": "u", "user": "root", "mark": "m", "kept": str(kept), "params": {"path": str(path), "age": 1}}
    (tmp_path / "fault.json").write_text(json.dumps(told))
    assert run(tmp_path, "left").stdout == f"{kept}/made\n{path}\n"
    assert run(tmp_path, "remove").returncode == 0 and not path.exists()
    assert run(tmp_path, "left").stdout == ""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with three KiB and a half left."""
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=7, f_frsize=512))


@pytest.mark.usefixtures("small")
def test_a_disk_is_filled_and_freed(tmp_path: Path, said: list[list[str]]) -> None:
    fault = importlib.import_module("fill_disk")
    path = tmp_path / "log.1"
    one = asked(tmp_path, path=str(path), age=120)
    fault.inject(one)
    assert path.stat().st_size == 3072 and 119 < (time.time() - path.stat().st_mtime) / 60 < 121
    assert said == [["systemd-notify", "--ready"]]
    assert list(fault.left(one)) == [str(tmp_path / "kept" / "made"), str(path)]
    fault.remove(one)
    assert not path.exists() and list(fault.left(one)) == []
    fault.remove(one)


@pytest.mark.usefixtures("said", "small")
@pytest.mark.parametrize("name", ["fill_disk", "touch_file", "redis_disk_full"])
def test_a_file_that_was_there_is_nobody_s_to_remove(tmp_path: Path, name: str) -> None:
    fault = importlib.import_module(name)
    for path in (tmp_path / "file", tmp_path / "link"):
        if path.name == "file":
            path.write_text("kept")
        else:
            path.symlink_to("nowhere")
        one = asked(tmp_path, path=str(path), age=1, seen=None, undo=None, cli="false", password="")
        with pytest.raises(SystemExit, match="is there already: name one that is not"):
            fault.inject(one)
        fault.remove(one)
        assert os.path.lexists(path) and list(fault.left(one)) == []


def test_a_full_disk_is_full_at_the_end_of_what_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = importlib.import_module("_filling").fill
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=100, f_frsize=1024))
    (tmp_path / "log").symlink_to("/dev/full")
    monkeypatch.setattr(os, "utime", lambda *_arguments: None)
    fill(tmp_path / "log", minutes=1)
    with pytest.raises(IsADirectoryError):
        fill(tmp_path, minutes=1)


def test_what_goes_wrong_is_waited_for_and_ended(tmp_path: Path) -> None:
    fault = importlib.import_module("touch_file")
    seen = tmp_path / "leaked"
    one = asked(tmp_path, path=str(tmp_path / "leak"), seen=str(seen), undo='echo "$seen" > "$path.undone"; rm "$seen"')
    (tmp_path / "kept" / "made").touch()
    (tmp_path / "leak").touch()
    seen.touch()
    assert list(fault.left(one)) == [str(tmp_path / "leak"), str(seen), str(tmp_path / "kept" / "made")]
    fault.remove(one)
    assert (tmp_path / "leak.undone").read_text() == f"{seen}\n" and not seen.exists() and list(fault.left(one)) == []
    # An end that fails is tried again.
    (tmp_path / "kept" / "made").touch()
    seen.touch()
    with pytest.raises(subprocess.CalledProcessError):
        fault.remove(asked(tmp_path, path=str(tmp_path / "leak"), seen=str(seen), undo="false; true"))
    assert list(fault.left(one)) == [str(seen), str(tmp_path / "kept" / "made")]
    fault.remove(asked(tmp_path, path=str(tmp_path / "leak"), seen=str(seen), undo=None))
    assert list(fault.left(one)) == []


def client(place: Path, status: str) -> str:
    """A client of a server whose last save ended so; BGSAVE makes it end as `wanted` says."""
    (place / "status").write_text(status)
    (place / "cli").write_text(
        f"#!/bin/sh\ncd {place}\necho \"$REDISCLI_AUTH $*\" >> calls\n"
        'case "$*" in\n*BGSAVE) cp wanted status ;;\n'
        '*INFO*) printf "# Persistence\\r\\nrdb_bgsave_in_progress:0\\r\\nrdb_last_bgsave_status:%s\\r\\n" "$(cat status)" ;;\nesac\n'
    )
    return f"sh {place / 'cli'} -p 6380"


def test_a_save_that_fails_and_one_that_does_not(tmp_path: Path) -> None:
    fault = importlib.import_module("redis_disk_full")
    path = tmp_path / "log.1"
    one = asked(tmp_path, path=str(path), age=1, cli=client(tmp_path, "ok"), password="secret")
    (tmp_path / "wanted").write_text("err")
    fault.save_until(one, "err")
    assert (tmp_path / "calls").read_text().splitlines() == [
        "secret -p 6380 INFO persistence", "secret -p 6380 BGSAVE", "secret -p 6380 INFO persistence",
    ]
    (tmp_path / "kept" / "made").touch()
    path.touch()
    assert list(fault.left(one)) == [str(tmp_path / "kept" / "made"), str(path), "the last save failed"]
    (tmp_path / "wanted").write_text("ok")
    fault.remove(one)
    assert not path.exists() and list(fault.left(one)) == []


def test_keys_of_this_host_s_fault_alone() -> None:
    fault = importlib.import_module("redis_poison")
    one = SimpleNamespace(params={"prefix": "cache:[a]*?:"}, mark="abcd1234")
    assert fault.prefix(one) == "cache:[a]*?:oncall-drill:abcd1234:"
    assert fault.pattern(one) == "cache:\\[a]\\*\\?:oncall-drill:abcd1234:*"


def test_sessions_begun_over_ssh_are_killed_whole(tmp_path: Path) -> None:
    # sshd and its two sessions, one with a shell and what that runs; and somebody who is not connected.
    for pid, parent, command in (
        (1, 0, "/sbin/init"), (50, 1, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100"), (60, 50, "sshd: root@pts/0"), (61, 60, "-bash"),
        (62, 61, "python3"), (70, 50, "sshd: oncall [priv]"), (80, 1, "postgres"),
    ):
        place = tmp_path / str(pid)
        place.mkdir()
        (place / "stat").write_text(f"{pid} (a (strange) name) S {parent} 1 1")
        (place / "cmdline").write_text(f"{command}\0")
    (tmp_path / "99").mkdir()
    found = importlib.import_module("_host_away").begun_over_ssh(tmp_path)
    assert sorted(found) == [60, 61, 62, 70]
    assert found.index(60) < found.index(61) < found.index(62)


def test_a_file_that_the_recovery_makes_is_the_moment(tmp_path: Path) -> None:
    fault = importlib.import_module("cut_off")
    (tmp_path / "old.csr").touch()
    one = asked(tmp_path, file=f"{tmp_path}/*.csr", seconds=1, litter=True)
    happened = fault.watch(one)
    assert not happened() and not (tmp_path / "kept" / "seen").exists()
    (tmp_path / "new.csr").touch()
    assert happened() and json.loads((tmp_path / "kept" / "seen").read_text()) == [f"{tmp_path}/new.csr"]


def test_litter_goes_with_the_fault(tmp_path: Path, said: list[list[str]]) -> None:
    fault = importlib.import_module("cut_off")
    one = asked(tmp_path, file=f"{tmp_path}/*.csr", seconds=1, litter=True)
    (tmp_path / "new.csr").touch()
    (tmp_path / "kept" / "seen").write_text(json.dumps([f"{tmp_path}/new.csr"]))
    (tmp_path / "kept" / "socket").touch()
    assert list(fault.left(one)) == [str(tmp_path / "kept" / "socket"), str(tmp_path / "kept" / "seen")]
    del said[:]
    fault.remove(one)
    # The fault first; where sshd is started by a socket, that comes back.
    assert [words[1:] for words in said] == [["stop", "oncall-drill-x-1-f.service"], ["start", "ssh.socket"]]
    assert not (tmp_path / "new.csr").exists() and list((tmp_path / "kept").iterdir()) == []


def test_rules_are_the_same_while_only_their_counters_change() -> None:
    lasting = importlib.import_module("firewall_cut_off").lasting
    rule = "ip saddr 192.0.2.7 counter packets {} bytes {} drop\nadd f2b 192.0.2.8 timeout {}\n"
    assert lasting(rule.format(1, 60, 599)) == lasting(rule.format(22, 1200, 3))
    assert lasting(rule.format(1, 60, 599)) != lasting(rule.format(1, 60, 599).replace("192.0.2.8", "192.0.2.9"))


def test_who_is_connected_is_cut_off_in_both_families() -> None:
    fault = importlib.import_module("firewall_cut_off")
    sockets = (
        "0      0      192.0.2.1:22        192.0.2.7:50000\n0 0 [2001:db8::1]:22 [2001:db8::7]:50001\n"
        "0      0      [::ffff:192.0.2.1]:22   [::ffff:192.0.2.8]:50002\n"
    )
    assert fault.addresses(sockets) == {"192.0.2.7", "2001:db8::7", "192.0.2.8"} and fault.addresses("") == set()
    assert fault.table("t", ["192.0.2.7", "2001:db8::7"]).splitlines()[1:] == [
        "add chain inet t input { type filter hook input priority -300; }",
        "add chain inet t output { type filter hook output priority -300; }",
        "add rule inet t input ip saddr 192.0.2.7 drop", "add rule inet t output ip daddr 192.0.2.7 drop",
        "add rule inet t input ip6 saddr 2001:db8::7 drop", "add rule inet t output ip6 daddr 2001:db8::7 drop",
    ]


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Somebody who fails to log in, at a place that is shut after some looks; `steps` has what he does, in order."""
    module = importlib.import_module("failed_logins")

    def made(*, attempts: int = 3, banned: bool = False, go_on: bool = False, shut_after: int = 100) -> Any:
        found = module.Login("192.0.2.7", module.Effort(user="drill", attempts=attempts, banned=banned, go_on=go_on))
        steps: list[str] = []

        def answers() -> bool:
            steps.append("look")
            return steps.count("look") <= shut_after

        def is_denied() -> bool:
            steps.append("try")
            if len(steps) > 50:
                raise TimeoutError
            return True

        monkeypatch.setattr(found, "answers", answers)
        monkeypatch.setattr(found, "is_denied", is_denied)
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _seconds: steps.append("pause")))
        found.steps = steps
        return found

    return made


def test_failed_logins_come_at_once_until_they_are_enough(login: Callable[..., Any]) -> None:
    one = login()
    one.keep_trying()
    assert one.denied == 3 and "pause" not in one.steps[:-1] and one.ready.is_set()
    # Kept out before that, he stops too.
    one = login(shut_after=1)
    one.keep_trying()
    assert (one.denied, one.shut, one.ready.is_set()) == (2, True, True)


def test_who_goes_on_does_so_with_pauses(login: Callable[..., Any]) -> None:
    one = login(go_on=True)
    with pytest.raises(TimeoutError):
        one.keep_trying()
    assert one.steps[:7] == ["try", "try", "try", "pause", "try", "pause", "try"] and one.ready.is_set() and "look" not in one.steps


def test_a_ban_that_takes_long_is_waited_for_without_more_logins(login: Callable[..., Any]) -> None:
    one = login(banned=True, shut_after=10)
    one.keep_trying()
    assert (one.denied, one.shut, one.steps.count("try"), one.steps.count("look")) == (3, True, 3, 11)
    assert "try pause look try" in " ".join(one.steps), "the daemon needs a moment between two"


def test_what_the_packet_filter_has_of_fail2ban() -> None:
    mentions = importlib.import_module("fail2ban_daemon").mentions
    nft = (
        "table inet f2b-table {\n\tset f2b-sshd {\n\t\telements = { 192.0.2.7,\n\t\t\t     192.0.2.70 }\n\t}\n}\n"
        "table inet mine {\n\tset known {\n\t\telements = { 192.0.2.7 }\n\t}\n}\n"
    )
    assert mentions(nft, ["192.0.2.7", "192.0.2.9"]) == [("192.0.2.7", "elements = { 192.0.2.7, 192.0.2.70 }")]
    iptables = "-A f2b-sshd -s 192.0.2.7/32 -j REJECT\n-A INPUT -s 192.0.2.7/32 -j DROP\n-A f2b-sshd -s 192.0.2.70/32 -j REJECT\n"
    assert mentions(iptables, ["192.0.2.7"]) == [("192.0.2.7", "-A f2b-sshd -s 192.0.2.7/32 -j REJECT")]


def test_names_in_a_database_are_each_host_s_own() -> None:
    fault = importlib.import_module("pg_sessions")
    one = SimpleNamespace(unit="oncall-drill-x-1-pg_sessions", mark="abcd1234")
    assert (fault.table(one), fault.named(one, "holder")) == ("oncall_drill_abcd1234", "drill-holder-abcd1234")
    assert fault.gid(one, 2) == "oncall-drill-x-1-pg_sessions-abcd1234-2" and fault.gid(one, 2).startswith(fault.gid(one))


def test_an_expired_certificate_is_like_the_present_one_and_known_again(tmp_path: Path) -> None:
    fault = importlib.import_module("certificate_expired")
    present = pki.root().issue("www.example.org", "example.org").cert
    leaf, chain = (x509.load_pem_x509_certificate(pem) for pem in fault.make(present, name="www.example.org", issuer_name="drill"))
    assert leaf.not_valid_after_utc < datetime.datetime.now(datetime.UTC) < chain.not_valid_after_utc
    names = x509.SubjectAlternativeName
    assert leaf.extensions.get_extension_for_class(names).value == present.extensions.get_extension_for_class(names).value
    assert (leaf.subject, leaf.public_key()) == (present.subject, present.public_key())
    leaf.verify_directly_issued_by(chain)
    path = tmp_path / "cert.pem"
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    assert fault.is_ours(path, "drill") and not fault.is_ours(path, "another")
    path.write_text("torn")
    assert not fault.is_ours(path, "drill") and fault.certificates(path) == []


def test_only_what_is_of_the_fault_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = importlib.import_module("certificate_expired")
    monkeypatch.setattr(fault, "served", lambda _name, _port: {"192.0.2.1": None})
    present = pki.root().issue("www.example.org")
    one = asked(tmp_path, name="www.example.org", port=443, live=str(tmp_path), reload="false")
    expired, _chain = fault.make(present.cert, name="www.example.org", issuer_name=fault.issuer_of(one))
    contents = {"cert.pem": expired, "chain.pem": b"renewed meanwhile: " + pki.to_pem(present.cert), "fullchain.pem": b"torn"}
    saved = tmp_path / "kept" / "saved"
    saved.mkdir()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (saved / name).write_text("before")
        (saved / f"{name}.where").write_text(str(tmp_path / name))
    assert list(fault.left(one)) == [f"{tmp_path}/cert.pem is of the drill", str(saved)]
    fault.remove(one)
    assert [(tmp_path / name).read_bytes() for name in contents] == [b"before", contents["chain.pem"], b"before"]
    assert list(fault.left(one)) == []


def test_a_certificate_that_was_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[list[str]]) -> None:
    fault = importlib.import_module("certificate_unloaded")
    authority = pki.root()
    old, new = (authority.issue("www.example.org").cert for _ in range(2))
    ders = [pki.to_der(one) for one in (old, new)]
    path = tmp_path / "fullchain.pem"
    path.write_bytes(b"# renewed\n" + pki.to_pem(new, old))
    assert fault.stored(path) == ders[1]
    served = {"192.0.2.1": ders[1], "192.0.2.2": None}
    monkeypatch.setattr(fault, "served", lambda _name, _port: served)
    one = asked(tmp_path, name="www.example.org", port=443, file=str(path), renew="renew", reload="reload")
    with pytest.raises(SystemExit, match="nothing was renewed, or a hook reloaded it"):
        fault.inject(one)
    fault.remove(one)
    assert said == [["sh", "-euc", "renew"]], "nothing to reload"
    served["192.0.2.1"] = ders[0]
    fault.inject(one)
    assert said[1:] == [["sh", "-euc", "renew"], ["systemd-notify", "--ready"]]
    assert list(fault.left(one)) == [f"192.0.2.1 does not serve what is in {path}"]
    monkeypatch.setattr(fault, "PATIENCE", 0)
    fault.remove(one)
    assert said[3:] == [["sh", "-euc", "reload"]]
