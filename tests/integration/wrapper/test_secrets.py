# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing secret on a command line, in the record, or left behind: every row of what ansible-runner leaks by itself."""

from __future__ import annotations

import base64
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.until import until

from .conftest import World

CANARY = "c4nary-Zw9x-Qk7"
on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="other processes are looked at through /proc")


def every_file(*roots: Path) -> Iterator[tuple[Path, bytes]]:
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def forms(secret: str) -> list[bytes]:
    plain = secret.encode()
    return [plain, base64.b64encode(plain).rstrip(b"=")[:-1], plain.hex().encode()]


def where(secret: str, *roots: Path) -> list[str]:
    return [str(path) for path, data in every_file(*roots) if any(form in data for form in forms(secret))]


def processes() -> Iterator[tuple[Path, bytes]]:
    for path in Path("/proc").glob("[0-9]*"):
        try:
            yield path, (path / "cmdline").read_bytes()
        except OSError:
            continue


@on_linux
def test_an_extra_variable_is_on_no_command_line_and_nowhere_afterwards(world: World) -> None:
    world.set(sick=1, slow=2)
    process = world.start("--yes", "-e", f"db_password={CANARY}1", "-e", f'{{"api_token": "{CANARY}2"}}')
    until(world.acting)
    # What the user typed is on the user's own command line; nobody else's.
    assert [line for path, line in processes() if CANARY.encode() in line and path.name != str(process.pid)] == []
    private = world.leftovers()[0]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert CANARY not in out + err
    assert where(CANARY, world.home, world.temporary) == []
    assert world.leftovers() == []


@on_linux
def test_the_parent_environment_does_not_reach_ansible_unless_named(world: World) -> None:
    world.set(sick=1, slow=2)
    process = world.start("--yes", "--pass-env", "WANTED", environ={"APP_PASSWORD": CANARY, "WANTED": "here"})
    until(world.acting)
    environs = _environs_of_ansible(process.pid)
    out, err = process.communicate(timeout=60)
    assert environs and all(CANARY.encode() not in data for data in environs)
    assert all(b"WANTED=here" in data for data in environs)
    assert process.returncode == 0, out + err
    assert where(CANARY, world.home, world.temporary) == []


def _environs_of_ansible(wrapper: int) -> list[bytes]:
    found = []
    for path, line in processes():
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == wrapper and b"ansible-playbook" in line:
                found.append((path / "environ").read_bytes())
        except OSError:
            continue
    return found


def test_a_variable_the_inventory_looks_up_is_passed_on(world: World) -> None:
    (world.place / "group_vars").mkdir()
    (world.place / "group_vars" / "world.yml").write_text("world_path: \"{{ lookup('ansible.builtin.env', 'WORLD_PLACE') }}\"\n")
    world.inventory({"earth": {}})
    hosts = world.place / "hosts.json"
    hosts.write_text(hosts.read_text().replace(f', "world_path": "{world.file}"', ""))
    done = world.run("--yes", environ={"WORLD_PLACE": str(world.file)})
    assert done.returncode == 0, done.stdout


def test_a_vaulted_variable_is_nowhere(world: World) -> None:
    (world.place / "vault-pass").write_text("vault-pass-word-1\n")
    secret = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-vault"), "encrypt_string", "--vault-password-file", "vault-pass",
            "--name", "hidden", CANARY,
        ],
        cwd=world.place, env=world.environ(), capture_output=True, text=True, check=True, timeout=60,
    ).stdout
    (world.place / "group_vars").mkdir()
    (world.place / "group_vars" / "world.yml").write_text(secret)
    book = world.place / "scenario" / "fake-recovery.yml"
    book.write_text(book.read_text().replace("        do: look\n", "        do: look\n        host: \"{{ hidden }}\"\n"))
    done = world.run("--yes", "--vault-password-file", "vault-pass")
    assert done.returncode == 0, done.stdout
    assert where(CANARY, world.home, world.temporary) == []
    assert where("vault-pass-word-1", world.home, world.temporary) == []


def test_an_error_of_ansibles_is_shown_without_the_secret(world: World) -> None:
    book = world.place / "scenario" / "broken.yml"
    url = f"https://bob:{CANARY}@example.org"
    book.write_text(f"- name: Broken\n  hosts: world\n  vars:\n    url: {url}\n  taskz: {url}\n")
    done = world.run("--yes", "-e", f"db_password={CANARY}", scenario="scenario/broken.yml")
    assert done.returncode == 2
    assert CANARY not in done.stdout + done.stderr
    assert where(CANARY, world.home, world.temporary) == []


def test_what_a_killed_wrapper_left_is_swept_by_the_next(world: World) -> None:
    world.set(sick=1, slow=20)
    process = world.start("--yes", "-e", f"db_password={CANARY}")
    until(world.acting)
    ansible = world.ansible()
    process.kill()
    process.wait()
    os.killpg(ansible, 9)
    assert len(world.leftovers()) == 1
    world.set(sick=0)
    assert world.run("--yes").returncode == 5
    assert world.leftovers() == []
    assert where(CANARY, world.temporary) == []


@on_linux
@pytest.mark.parametrize(("variable", "expected"), [(None, None), ("True", "True")])
def test_host_key_checking_stays_the_users_choice(variable: str | None, expected: str | None, world: World) -> None:
    world.set(sick=1, slow=60)  # longer than it takes to look, on any machine
    process = world.start("--yes", environ={"ANSIBLE_HOST_KEY_CHECKING": variable} if variable else {})
    until(world.acting)
    environs = _environs_of_ansible(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    wanted = f"ANSIBLE_HOST_KEY_CHECKING={expected}".encode()
    assert environs
    assert all((wanted in data) if expected else (b"HOST_KEY_CHECKING" not in data) for data in environs)


def test_the_users_own_callbacks_stay_enabled(world: World) -> None:
    (world.place / "plugins").mkdir()
    (world.place / "plugins" / "mine.py").write_text(
        "from ansible.plugins.callback import CallbackBase\n"
        "DOCUMENTATION = 'name: mine\\ntype: notification\\nshort_description: x\\n'\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_VERSION = 2.0\n    CALLBACK_TYPE = 'notification'\n    CALLBACK_NAME = 'mine'\n    CALLBACK_NEEDS_ENABLED = True\n"
        "    def v2_playbook_on_start(self, playbook):\n        open('mine-was-here', 'w').close()\n"
    )
    (world.place / "ansible.cfg").write_text("[defaults]\ncallbacks_enabled = mine\ncallback_plugins = plugins\n")
    done = world.run("--yes")
    assert done.returncode == 0, done.stdout
    assert (world.place / "mine-was-here").exists()
