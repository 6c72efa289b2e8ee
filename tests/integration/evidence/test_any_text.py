# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is not UTF-8, by every way in: what was done is done, and the incident, like all others, goes on to its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from ansible_collections.oncall.incident.plugins.plugin_utils._record import line, writer

from oncall_incident import cli
from oncall_incident.evidence import closing, settings
from tests.support import wrapper
from tests.support.need import need
from tests.support.wrapper import command

from .conftest import Case, make_key

#: As a shell passes the bytes on: `$'caf\xe9 is down'`.
LATIN = "caf\udce9 is down"
#: What only JSON can bring.
HALF = "S\ud800x"
ALERT: Mapping[str, Any] = {
    "labels": {"alertname": HALF, "severity": "critical", "service": HALF, HALF: "x"},
    "annotations": {"summary": HALF, HALF: "y"}, "startsAt": "2026-03-03T02:05:12Z", "fingerprint": HALF, "generatorURL": HALF,
}
#: Runs many commands in one process, each as the shell would; gives their exit statuses, or the exception that nobody foresaw.
DRIVER = """
import contextlib, io, json, sys, traceback
from oncall_incident import cli
ended = []
for argv in json.load(sys.stdin):
    sys.argv = ["incident", *argv]
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            cli.main()
        code = 0
    except SystemExit as exc:
        code = exc.code or 0
    except BaseException:
        code = traceback.format_exc()
    ended.append([code, out.buffer.getvalue().decode("utf-8")])
print(json.dumps(ended))
"""
#: How each command is called well; every text in it is then replaced, one at a time.
CALLS: Mapping[str, list[str]] = {
    "open": ["open", "title"],
    "note": ["note", "{id}", "text"],
    "attach": ["attach", "{id}", "{file}"],
    "milestone": ["milestone", "{id}", "contained"],
    "update": ["update", "{id}", "text"],
    "escalate": ["escalate", "{id}", "whom"],
    "severity": ["severity", "{id}", "SEV2"],
    "status": ["status", "{id}"],
    "list": ["list"],
    "reopen": ["reopen", "{id}"],
    "seal": ["seal", "{id}"],
    "sign": ["sign", "{id}"],
    "push": ["push", "{id}", "--to", "{place}"],
    "export": ["export", "{id}", "--timesketch", "{out}"],
    "verify": ["verify", "{id}"],
    "report": ["report", "{id}"],
    "metrics": ["metrics"],
    "scenarios": ["scenarios"],
    "close": ["close", "{id}"],
    # Nothing is started: what takes text is read before the scenario is looked for; a run of its own is below.
    "run": ["run", "no-such-scenario"],
    "vars": ["vars", "db-recovery"],
    "init": ["init", "{place}", "--answers", "{place}/no-such-file"],
    "undo": ["undo", "{id}"],
    "in-force": ["in-force", "-i", "{place}/no-such-inventory"],
    "drill": ["drill", "no-such-drill"],
    "import awx": ["import", "awx", "1", "--url", "http://127.0.0.1:9/"],
}


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that there is, by name."""
    def walk(group: Any, before: str) -> Iterator[tuple[str, Any]]:
        for name, found in group.commands.items():
            if hasattr(found, "commands"):
                yield from walk(found, f"{before}{name} ")
            else:
                yield f"{before}{name}", found

    return walk(typer.main.get_command(cli.app), "")


def variants(name: str, found: Any, call: list[str]) -> Iterator[list[str]]:
    """The call, with text that is not UTF-8 for each of its arguments and options."""
    words = len(name.split())
    for position in range(words, len(call)):
        if not call[position].startswith("-"):
            yield [*call[:position], LATIN, *call[position + 1:]]
    for parameter in found.params:
        if parameter.param_type_name == "option" and not parameter.is_flag and not parameter.count:
            # An alert or a policy is a file's name; its content has a test of its own.
            yield [*call, parameter.opts[0], LATIN]


def drive(home: Path, calls: list[list[str]]) -> list[tuple[Any, str]]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(calls), env=wrapper.environment(home), capture_output=True, text=True, timeout=500,
        check=False, cwd=home.parent,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [(code, said) for code, said in json.loads(done.stdout)]


def assert_goes_to_its_end(home: Path, incident: str, *, old: tuple[str, ...] = ()) -> None:
    """Everything that reads the incident works, it closes, and what is kept of it is UTF-8.

    Args:
        old: directories with lines of an earlier version, which stay as they are.
    """
    calls = [
        ["list", "--all"], ["list", "--all", "--json"], ["status", incident], ["report", incident], ["report", "--all"],
        ["metrics"], ["close", incident, "-m", LATIN], ["verify", incident], ["report", incident, "--output", "-"], ["status", incident],
        ["export", incident, "--timesketch", str(home / "timeline.jsonl")], ["export", incident, "--tar", str(home / "bundle.tar")],
        ["verify", str(home / "bundle.tar")],
    ]
    for call, (code, said) in zip(calls, drive(home, calls), strict=True):
        assert code == 0, (call, code, said)
    for path in (home / "incidents" / incident).rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".md", ".html", ".txt"):
            text = path.read_bytes().decode("utf-8")
            # Half of a surrogate pair as JSON's escape; spelled out, the backslash itself is escaped.
            half = path.suffix in (".json", ".jsonl") and re.search(r"(?<!\\)(?:\\\\)*\\ud[89a-f]", text)
            assert not half or path.parent.name in old, path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a key, so that it can be proven."""
    return Case(tmp_path / "home").home


def test_every_command_is_in_the_table() -> None:
    assert {name for name, _found in commands()} == set(CALLS)


def test_every_text_of_every_command(home: Path, tmp_path: Path) -> None:
    opened = command(home, "open", "first", "--id", "A-1", "--json")
    assert opened.returncode == 0, opened.stderr
    (tmp_path / "file").write_bytes(b"caf\xe9")
    fields = {"id": "A-1", "file": str(tmp_path / "file"), "place": str(tmp_path / "place"), "out": str(tmp_path / "out")}
    calls = []
    for name, found in commands():
        filled = [word.format(**fields) for word in CALLS[name]]
        calls += [[*call] for call in variants(name, found, filled)]
        # It stays open for the next command.
        calls += [["reopen", "A-1"]] if name == "close" else []
    assert len(calls) > 60
    for call, (code, said) in zip(calls, drive(home, calls), strict=True):
        assert isinstance(code, int), (call, code)
        assert "Traceback" not in said, (call, said)
    assert_goes_to_its_end(home, "A-1")


@pytest.mark.parametrize("form", ["half", "latin"])
def test_an_alert(home: Path, tmp_path: Path, form: str) -> None:
    """Half of a surrogate pair in every text of it; bytes that are not UTF-8."""
    data = json.dumps({"alerts": [ALERT]}).encode() if form == "half" else json.dumps({"alerts": [{
        "labels": {"alertname": "caf@", "severity": "critical"}, "startsAt": "2026-03-03T02:05:12Z",
    }]}).encode().replace(b"@", b"\xe9")
    (tmp_path / "alert.json").write_bytes(data)
    done = command(home, "open", "--alert", str(tmp_path / "alert.json"), "--id", "A-1")
    assert done.returncode == 0, done.stderr
    assert ("S\\ud800x" if form == "half" else "caf\\xe9") in done.stdout
    assert_goes_to_its_end(home, "A-1")


@pytest.mark.parametrize("title", ["x" * 70_000, "\ud800" * 20_000], ids=["ASCII", "surrogates"])
def test_an_alert_with_an_endless_title(home: Path, tmp_path: Path, title: str) -> None:
    """Over 64 KiB a value becomes a file; the custody chain is copied into the bag without any."""
    alert = {"labels": {"alertname": title, "severity": "critical"}, "annotations": {"summary": title}, "startsAt": "2026-03-03T02:05:12Z"}
    (tmp_path / "alert.json").write_text(json.dumps({"alerts": [alert]}))
    for argv in (["open", "--alert", str(tmp_path / "alert.json"), "--id", "A-1"], ["attach", "A-1", str(tmp_path / "alert.json")],
                 ["close", "A-1"], ["verify", "A-1"]):
        done = command(home, *argv)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
    assert not (home / "incidents/A-1/blobs").exists()


def test_standard_input(home: Path, tmp_path: Path) -> None:
    command(home, "open", "first", "--id", "A-1")
    (tmp_path / "said").write_bytes(b"caf\xe9")
    for what in ("note", "update"):
        with (tmp_path / "said").open("rb") as said:
            done = subprocess.run(
                wrapper.argv(what, "A-1", "-"), env=wrapper.environment(home, LANG=""), stdin=said, capture_output=True, timeout=100,
                check=False,
            )
        assert done.returncode == 0, done.stderr
    assert_goes_to_its_end(home, "A-1")
    assert "caf\\xe9" in (home / "incidents/A-1/report/report.md").read_text().replace("\\\\", "\\")


def test_an_attachments_name(home: Path, tmp_path: Path) -> None:
    command(home, "open", "first", "--id", "A-1")
    path = tmp_path / LATIN
    path.write_bytes(b"\xe9")
    done = command(home, "attach", "A-1", str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert_goes_to_its_end(home, "A-1")


def test_a_run_that_lies_in_a_directory_of_any_name(home: Path, tmp_path: Path) -> None:
    """What it is called in the bundle is its own id."""
    command(home, "open", "first", "--id", "A-1")
    (run,) = (home / "runs").iterdir()
    shutil.copytree(run, tmp_path / LATIN)
    done = command(home, "attach", "A-1", "--run", str(tmp_path / LATIN))
    assert done.returncode == 0, done.stderr
    assert (home / "incidents/A-1/bundle/data/runs" / run.name).is_dir()
    assert_goes_to_its_end(home, "A-1")


def test_the_environment(home: Path) -> None:
    """Names of people and secrets; a secret is known in its own bytes."""
    more = {"SUDO_USER": LATIN, "LOGNAME": LATIN, "USER": LATIN, "PGPASSWORD": "s\udce9cret-of-many-letters", "INCIDENT_POLICY": "default"}
    for argv in (["open", "first", "--id", "A-1"], ["note", "A-1", "it is s\udce9cret-of-many-letters"], ["seal", "A-1"]):
        done = command(home, *argv, **more)
        assert done.returncode == 0, done.stderr
    assert_goes_to_its_end(home, "A-1")
    assert b"cret-of-many" not in (home / "incidents/A-1/bundle/data/events/000001.jsonl").read_bytes()


def key_of_rene(path: Path) -> Path:
    """A key whose comment is in Latin-1: `ssh-keygen -C $'Ren\\xe9@laptop'`."""
    make_key(path, "x")
    public = path.with_name(f"{path.name}.pub")
    public.write_bytes(public.read_bytes().rstrip().removesuffix(b"x") + b"Ren\xe9@laptop\n")
    return path


@pytest.mark.parametrize("how", ["first", "second", "no public key", "agent"])
def test_a_keys_comment(home: Path, tmp_path: Path, how: str) -> None:
    key = key_of_rene(tmp_path / "rene")
    given = ["--sign-key", str(home / "keys/ann")] if how == "second" else []
    given += ["--sign-key", "agent" if how == "agent" else str(key)]
    if how == "no public key":
        # Then ssh-keygen tells it, with the comment in the private key.
        subprocess.run(["ssh-keygen", "-q", "-c", "-C", b"Ren\xe9@laptop", "-f", key], check=True, timeout=60, capture_output=True)
        key.with_name("rene.pub").unlink()
    with agent(tmp_path, key) if how == "agent" else contextlib.nullcontext({}) as more:
        for argv in (["open", "first", "--id", "A-1"], ["close", "A-1", *given]):
            done = command(home, *argv, **more)
            assert done.returncode == 0, (argv, done.stderr)
    assert command(home, "verify", "A-1").returncode == 0
    allowed = (home / "incidents/A-1/bundle/seal/0001/allowed_signers").read_bytes()
    assert b"Ren\\xe9@laptop" in allowed
    assert b"Ren\\xe9@laptop" in (home / "allowed_signers").read_bytes()


@contextlib.contextmanager
def agent(place: Path, key: Path) -> Iterator[dict[str, str]]:
    need(shutil.which("ssh-agent") and shutil.which("ssh-add"), "ssh-agent")
    subprocess.run(["ssh-keygen", "-q", "-c", "-C", b"Ren\xe9@laptop", "-f", key], check=True, timeout=60, capture_output=True)
    where = str(place / "agent.sock")
    with subprocess.Popen(["ssh-agent", "-D", "-a", where], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": where}, check=True, timeout=60, capture_output=True)
            yield {"SSH_AUTH_SOCK": where}
        finally:
            process.kill()


def test_the_list_of_allowed_signers(home: Path) -> None:
    """A line that a person wrote stays byte for byte, the last one without its newline as well."""
    path = home / "allowed_signers"
    before = path.read_bytes()
    mine = b"# Ren\xe9's key comes when he is back"
    path.write_bytes(before + mine)
    for argv in (["open", "first", "--id", "A-1"], ["close", "A-1"]):
        done = command(home, *argv)
        assert done.returncode == 0, (argv, done.stderr)
    assert path.read_bytes().startswith(before + mine + b"\n")
    assert len(path.read_bytes().splitlines()) == len(before.splitlines()) + 2
    assert command(home, "verify", "A-1").returncode == 0


def test_a_public_key_that_cannot_be_read_leaves_the_incident_open(home: Path, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no key at all\n")
    command(home, "open", "first", "--id", "A-1")
    before = (home / "incidents/A-1/bundle/data/events/000001.jsonl").read_bytes()
    done = command(home, "close", "A-1", "--sign-key", str(tmp_path / "none"))
    assert done.returncode == 2 and "cannot be read" in done.stderr and "Traceback" not in done.stderr
    assert (home / "incidents/A-1/bundle/data/events/000001.jsonl").read_bytes() == before


def test_what_a_vaults_script_says_to_a_drill(home: Path) -> None:
    """Ansible hands its standard error on as it is."""
    (home.parent / "hosts.ini").write_text("db1\n")
    script = home.parent / "vault.sh"
    script.write_text("#!/bin/sh\nprintf 'caf\\351 is closed\\n' >&2\nexit 1\n")
    script.chmod(0o700)
    done = command(home, "drill", "db-recovery", "-i", "hosts.ini", "--yes", "--vault-password-file", str(script))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "caf\\xe9 is closed" in done.stderr


def test_a_home_of_any_name(tmp_path: Path) -> None:
    home = tmp_path / LATIN
    for argv in (["open", "first", "--id", "A-1"], ["note", "A-1", "text"], ["close", "A-1"], ["verify", "A-1"], ["report", "A-1"]):
        done = command(home, *argv)
        assert done.returncode == 0, (argv, done.stderr)


def test_a_host_name(home: Path) -> None:
    need(os.geteuid() == 0 and shutil.which("unshare"), "unshare as root")
    rename = "import os, socket, sys; socket.sethostname(b'h\\xe9.example.org'); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    before = socket.gethostname()
    for argv in (["open", "first", "--id", "A-1"], ["note", "A-1", "text"], ["close", "A-1"]):
        done = subprocess.run(
            ["unshare", "--uts", sys.executable, "-c", rename, "-m", "oncall_incident", *argv], env=wrapper.environment(home, LANG=""),
            capture_output=True, timeout=100, check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
    assert socket.gethostname() == before
    custody = (home / "incidents/A-1/custody/000001.jsonl").read_bytes().decode("utf-8")
    assert "h\\\\xe9.example.org" in custody
    assert command(home, "verify", "A-1").returncode == 0


def test_a_store_of_an_earlier_version(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """0.1.0 wrote lone surrogates as JSON's escapes; such lines stay as they are, and hurt nobody."""
    def as_it_was(event: Mapping[str, Any]) -> bytes:
        try:
            return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            return json.dumps(event, separators=(",", ":")).encode()

    case = Case(tmp_path / "other", seal=False)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "encode", as_it_was)
        case.incident.append_all([("note", {"text": LATIN}), ("update.sent", {"text": HALF, "to": LATIN})])
        made = case.store.open(title=HALF, severity="P0", policy=case.rules, services=[HALF], incident_id="A-1", alert=ALERT)
    assert b"\\ud800" in (made.data / "events/000001.jsonl").read_bytes() and line.encode is not as_it_was
    assert_goes_to_its_end(case.home, case.incident.id, old=("events", "custody"))
    assert_goes_to_its_end(case.home, "A-1", old=("events", "custody"))


def test_what_cannot_be_rendered_leaves_the_incident_open(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    case.incident.append("reopened", {"why": "again"})
    before = (case.incident.data / "events/000001.jsonl").read_bytes()

    def fails(_incident: Any, coming: Any) -> Any:
        assert [event["type"] for event in coming] == ["closed"]
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")

    with pytest.raises(UnicodeEncodeError):
        closing.close(case.incident, configured=settings.load(case.home), resolution="x", make_key=True, report=fails)
    assert (case.incident.data / "events/000001.jsonl").read_bytes() == before
    assert case.incident.state().closed is None


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Say something in another encoding
      ansible.builtin.raw: printf 'caf\\351'
      changed_when: false
      tags: [investigate]
"""


def run(home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (home.parent / "play.yml").write_text(PLAY)
    (home.parent / "hosts.json").write_text(json.dumps({"all": {"hosts": {"db1": {"ansible_connection": "local"}}}}))
    return command(home, "run", "play.yml", "-i", "hosts.json", "--json", *more)


@pytest.mark.parametrize(("more", "named"), [
    (["-e", f"note={LATIN}"], "-e note: this"), (["-e", f"{{note: {LATIN}}}"], "-e: this"), (["-e", "@latin.yml"], "-e @latin.yml: this"),
    (["-e", '{"note": "\\ud800"}'], "-e note: this"), (["--limit", LATIN], "--limit"),
    (["--tags", f"investigate,{LATIN}"], "--tags"), (["--skip-tags", LATIN], "--skip-tags"), (["--user", LATIN], "--user"),
    (["--", f"--diff={LATIN}"], "--"),
])
def test_what_ansible_could_only_get_changed_is_refused_by_name(home: Path, more: list[str], named: str) -> None:
    (home.parent / "latin.yml").write_bytes(b"note: caf\xe9\n")
    done = run(home, *more)
    assert done.returncode == 2, done.stdout + done.stderr
    assert named in done.stderr and "UTF-8" in done.stderr and "Traceback" not in done.stderr


def test_what_a_host_says(home: Path) -> None:
    command(home, "open", "first", "--id", "A-1")
    done = run(home, "--tags", "investigate", "--incident", "A-1")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert_goes_to_its_end(home, "A-1")
