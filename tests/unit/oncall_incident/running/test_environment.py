# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables go along, and which settings of the user survive ansible-runner."""

from __future__ import annotations

from pathlib import Path

from oncall_incident.running import ansible_cfg
from oncall_incident.running.environment import allowed, looked_up, scrub


def test_only_what_is_needed_goes_along() -> None:
    environ = {
        "PATH": "/bin", "LC_ALL": "C", "ANSIBLE_FORKS": "3", "SSH_AUTH_SOCK": "/s", "PGHOST": "h", "PGPASSWORD": "x", "DB_PASSWORD": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    assert set(allowed(environ)) == {"PATH", "LC_ALL", "ANSIBLE_FORKS", "SSH_AUTH_SOCK", "PGHOST"}
    assert set(allowed(environ, also=["DB_PASSWORD", "PGPASSWORD"])) >= {"DB_PASSWORD", "PGPASSWORD"}


def test_what_the_runner_copied_is_taken_out_and_what_it_made_stays() -> None:
    parent = {"SECRET": "x", "PATH": "/bin", "OURS": "old"}
    made = {**parent, "OURS": "new", "AWX_ISOLATED_DATA_DIR": "/tmp/x"}
    left = scrub(made, parent=parent, keep={"PATH": "/bin", "OURS": "new"})
    assert left == {"PATH": "/bin", "OURS": "new", "AWX_ISOLATED_DATA_DIR": "/tmp/x"}


def test_variables_that_an_inventory_reads_are_found(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("db: {}\n")
    looks = "a: \"{{ lookup('ansible.builtin.env', 'DB_PW') }}\"\nb: '{{ query(\"env\", \"OTHER\") }}'\n"
    (tmp_path / "group_vars" / "db.yml").write_text(looks)
    assert looked_up([str(tmp_path)], cwd=tmp_path) == {"DB_PW", "OTHER"}
    assert looked_up(["hosts.yml"], cwd=tmp_path) == {"DB_PW", "OTHER"}
    assert looked_up(["db1,"], cwd=tmp_path) == set()


_CFG = """[defaults]
callbacks_enabled = ansible.posix.timer, x.y.z ; both
callback_plugins = plugins/callback:~/more
collections_path = collections:/opt/collections
inventory = hosts.yml
host_key_checking = False
"""


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text(_CFG)
    environ = {"HOME": str(tmp_path), "ANSIBLE_CALLBACKS_ENABLED": "only.this.one"}
    assert ansible_cfg.read(environ=environ, cwd=tmp_path)["callbacks_enabled"] == "only.this.one"


def test_a_world_writable_directorys_file_is_not_read(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    (place / "ansible.cfg").write_text(_CFG)
    assert ansible_cfg.find_file(environ={"HOME": str(tmp_path)}, cwd=place) != place / "ansible.cfg"


def test_a_broken_file_is_left_to_ansible(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("no section\n")
    assert ansible_cfg.read(environ={"HOME": str(tmp_path)}, cwd=tmp_path) == {}
