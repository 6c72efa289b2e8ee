# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident vars` on real inventories: values, places, secrets, and nothing connected to."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "Vars-Canary-71"


def ask(*arguments: str, environ: dict[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`incident vars` as a process of its own."""
    env = {**{name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}, "PYTHONPATH": str(ROOT / "src")}
    argv: Sequence[str] = [sys.executable, "-m", "oncall_incident", "vars", *arguments]
    return subprocess.run(argv, cwd=cwd, env={**env, **(environ or {})}, capture_output=True, text=True, timeout=120, check=False)


def ask_at_a_terminal(*arguments: str, answers: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same with a terminal as its input, on which each prompt is answered when it appears."""
    env = {**{name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}, "PYTHONPATH": str(ROOT / "src")}
    argv: Sequence[str] = [sys.executable, "-m", "oncall_incident", "vars", *arguments]
    typing, terminal = pty.openpty()
    # Without a controlling terminal getpass reads its input, and asks on standard error.
    with subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:
        os.close(terminal)
        assert process.stdout and process.stderr
        try:
            said = ""
            for prompt, typed in answers.items():
                while not said.endswith(prompt):
                    read = process.stderr.read(1)
                    assert read, said
                    said += read
                os.write(typing, f"{typed}\n".encode())
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
            os.close(typing)
    return subprocess.CompletedProcess(argv, process.returncode, output, said + errors)


def variables(done: subprocess.CompletedProcess[str], role: str) -> dict[str, dict[str, Any]]:
    [part] = [part for part in json.loads(done.stdout)["sections"] if part["role"] == role]
    return {one["name"]: one for one in part["variables"]}


def test_the_demo_s_inventory() -> None:
    done = ask(
        "db-recovery", "-i", "inventories/local", "-e", "postgres_hsot=x", "-e", "@limits.json", "--json",
        environ={"INCIDENT_DEMO_PORT": "6543"}, cwd=ROOT,
    )
    assert done.returncode == 2 and "there is no file" in done.stderr
    done = ask("db-recovery", "-i", "inventories/local", "-e", "postgres_hsot=x", "--json", environ={"INCIDENT_DEMO_PORT": "6543"})
    assert done.returncode == 0, done.stderr
    found = variables(done, "postgres")
    port = found["postgres_login_port"]
    assert (port["value"], port["differs"]) == (6543, True) and "lookup" in port["template"]
    assert port["source"]["path"].endswith("inventories/local/hosts.yml") and port["source"]["line"]
    assert found["postgres_max_victims"]["source"] == {"kind": "default"}
    assert "postgres_connect_retry" not in found and next(iter(found)) == "postgres_via"
    assert "did you mean postgres_login_host?" in json.loads(done.stdout)["doubts"][0]
    assert json.loads(done.stdout)["nowhere"] == {"service": ["incident_app"]}


def test_a_reference_inventory_without_its_secrets() -> None:
    done = ask("db-recovery", "-i", "inventories/chitlaq", "--all", "--json", environ={"CHITLAQ_POSTGRES_PASSWORD": PASSWORD})
    assert done.returncode == 0, done.stderr
    found = variables(done, "postgres")
    assert found["postgres_via"]["source"]["path"].endswith("inventories/chitlaq/group_vars/db.yml")
    assert found["postgres_login_password"]["value"] == "(hidden)" and found["postgres_login_password"]["secret"]
    assert found["postgres_connect_retry"]["value"] == "30s"
    assert PASSWORD not in done.stdout + done.stderr


def test_layers_secrets_and_limits(tmp_path: Path) -> None:
    for name, text in {
        "hosts.yml": "db:\n  hosts:\n    db1:\n      postgres_rollback_prepared: true\n    db2:\n",
        "group_vars/all.yml": f"postgres_rollback_prepared: false\npostgres_grace: 1s\npostgres_login_password: {PASSWORD}\n",
        "group_vars/db.yml": "postgres_grace: 2s\n"
        f"postgres_connect_params: {{application_name: 'x {PASSWORD} y', sslpassword: '{PASSWORD}-2'}}\n"
        "postgres_probe_query: \"{{ lookup('ansible.builtin.pipe', 'touch touched') }}\"\n",
        "host_vars/db1.yml": "postgres_grace: 3s\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = ask("db-recovery", "-i", "hosts.yml", "--limit", "db1", "-e", '{"postgres_max_victims": 3}', "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = variables(done, "postgres")
    assert found["postgres_grace"]["value"] == "3s" and found["postgres_grace"]["source"]["path"] == str(tmp_path / "host_vars/db1.yml")
    assert found["postgres_rollback_prepared"]["value"] is True
    assert found["postgres_rollback_prepared"]["source"] == {
        "kind": "inventory", "of": "host db1", "path": str(tmp_path / "hosts.yml"), "line": 4,
    }
    assert found["postgres_max_victims"]["value"] == 3 and found["postgres_max_victims"]["source"]["kind"] == "-e"
    assert "lookup" in found["postgres_probe_query"]["value"], "a lookup that does something is not done"
    assert not (tmp_path / "touched").exists()
    assert PASSWORD not in done.stdout + done.stderr
    assert {host for part in json.loads(done.stdout)["sections"] for host in part["hosts"]} == {"db1"}


def test_a_lookup_is_not_run_however_a_value_comes_to_it(tmp_path: Path) -> None:
    touch = "'ansible.builtin.pipe', 'touch touched; echo vaultsecret'"
    values = {
        "my_host": f"{{{{ lookup({touch}) }}}}", "postgres_login_host": "{{ my_host }}",
        "vault_password": f"{{{{ query({touch}) }}}}", "postgres_login_unix_socket": "/run/{{ vault_password }}",
        "env_password": "{{ lookup('env', 'DRILLED') }}", "postgres_log_path": "/var/{{ env_password }}",
        "postgres_data_directory": "{{ lookup('env' if false else 'pipe', 'touch touched') }}",
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"db": {"hosts": {"db1": values}}}))
    asked = f"incident_db={{{{ lookup({touch}) }}}}"
    ask("db-recovery", "-i", "hosts.json", "-e", asked, cwd=tmp_path, environ={"DRILLED": "envsecret"})
    done = ask("db-recovery", "-i", "hosts.json", "--json", "--pass-env", "DRILLED", cwd=tmp_path, environ={"DRILLED": "envsecret"})
    assert done.returncode == 0, done.stderr
    found = variables(done, "postgres")
    assert found["postgres_login_unix_socket"]["value"] == "/run/{{ vault_password }}"
    assert found["postgres_log_path"]["value"] == "/var/(hidden)"
    assert "envsecret" not in done.stdout + done.stderr and not (tmp_path / "touched").exists()


def test_what_was_in_a_vault_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vault-password")
    vault = Path(sys.executable).with_name("ansible-vault")
    made = subprocess.run(
        [vault, "encrypt_string", "--vault-password-file", "key", PASSWORD, "--name", "postgres_login_user"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )
    (tmp_path / "group_vars" / "db").mkdir(parents=True)
    (tmp_path / "hosts.yml").write_text("db:\n  hosts:\n    db1:\n")
    (tmp_path / "group_vars" / "db" / "inline.yml").write_text(made.stdout)
    whole = tmp_path / "group_vars" / "db" / "whole.yml"
    whole.write_text(f"postgres_login_host: {PASSWORD}.example.org\n")
    subprocess.run([vault, "encrypt", "--vault-password-file", "key", whole], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    refused = ask("db-recovery", "-i", "hosts.yml", cwd=tmp_path)
    assert refused.returncode == 2 and "--vault-password-file" in refused.stderr
    done = ask("db-recovery", "-i", "hosts.yml", "--vault-password-file", "key", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = variables(done, "postgres")
    assert found["postgres_login_user"]["value"] == found["postgres_login_host"]["value"] == "(hidden)"
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize(("options", "prompt"), [
    (["--ask-vault-password"], "Vault password: "), (["-J"], "Vault password: "),
    (["--vault-id", "site@prompt"], "Vault password (site): "),
])
def test_a_vault_password_is_asked_for(options: list[str], prompt: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vault-password")
    (tmp_path / "db.yml").write_text(f"postgres_login_host: {PASSWORD}.example.org\n")
    vault = Path(sys.executable).with_name("ansible-vault")
    subprocess.run([vault, "encrypt", "--vault-password-file", "key", "db.yml"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    (tmp_path / "key").unlink()
    (tmp_path / "hosts.yml").write_text("db:\n  hosts:\n    db1:\n")
    asked = ["db-recovery", "-i", "hosts.yml", "-e", "@db.yml", *options, "--json"]
    refused = ask(*asked, cwd=tmp_path)
    assert refused.returncode == 2 and "the input is not a terminal" in refused.stderr
    done = ask_at_a_terminal(*asked, answers={prompt: "vault-password"}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert variables(done, "postgres")["postgres_login_host"]["value"] == "(hidden)"
    assert "vault-password" not in done.stdout + done.stderr


def test_what_ansible_quotes_of_a_broken_file_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("db:\n  hosts:\n    db1:\n")
    (tmp_path / "group_vars" / "db.yml").write_text(f"postgres_login_password: {PASSWORD}\n  broken: [\n")
    done = ask("db-recovery", "-i", "hosts.yml", cwd=tmp_path)
    assert done.returncode == 2 and "db.yml" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_tables_of_a_terminal() -> None:
    done = ask("db-recovery", "-i", "inventories/local", "-e", "postgres_max_victim=3")
    assert done.returncode == 2
    assert "inventories/local/hosts.yml:" in done.stdout and "did you mean postgres_max_victims?" in done.stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (["db-recovry", "-i", "inventories/local"], "Did you mean db-recovery?"),
    (["db-recovery", "-i", "nowhere.yml"], "there is no such inventory"),
    (["brute-force", "-i", "inventories/local"], "goes to no host of this inventory"),
    (["db-recovery", "-i", "inventories/local", "--limit", "nix"], "within --limit nix"),
])
def test_bad_input(arguments: list[str], said: str) -> None:
    done = ask(*arguments)
    assert done.returncode == 2 and said in done.stderr, done.stderr
