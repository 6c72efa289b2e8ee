# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fake secrets in every place where one has been seen to leak; none may be anywhere under the bundle, in any form.

The places are those of a leak matrix measured on ansible-core and ansible-runner without us: extra vars, environment,
no_log and what it registered, registered results, templated names, set_fact, include_vars, files read, slurp, URLs, DSNs,
diffs, loop items, facts, vaults, inventory, prompts and asked passwords.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import textwrap
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import verify

from .conftest import Playbook

# One per place, so that a leak says where it came from. Quotes, blanks, slashes and umlauts, since escaping hides them.
PLACES = (
    "extra_json", "extra_keyvalue", "extra_unused", "environment_name", "environment_url", "task_environment", "no_log_argument",
    "no_log_registered",
    "no_log_lines", "no_log_fact",
    "no_log_harmless_fact", "registered", "task_name", "set_fact_named", "set_fact_cacheable", "inventory_password",
    "inventory_become",
    "inventory_nested", "inventory_template", "vault_inline", "vault_file", "include_vars_vault", "play_vars", "url", "url_query", "dsn",
    "conninfo",
    "header", "slurp", "copy_diff", "loop_item", "custom_fact", "prompt", "shell_option", "pem", "large", "failed_message", "sql",
    "configured", "base64_shown",
)

SHOWN_FROM_INVENTORY = ("task_environment", "copy_diff", "loop_item", "base64_shown", "large", "failed_message")


def canary(place: str) -> str:
    """A fake secret that is recognisable and awkward."""
    return f"CANARY-{place.replace('_', '-')}-x/Y+9&ß\"q"


def simple(place: str) -> str:
    """One that can stand in a URL or a connection string as it is."""
    return f"CANARYs-{place.replace('_', '-')}-Z9"


def forms(secret: str) -> list[bytes]:
    """What somebody who looks for the secret would look for."""
    data = secret.encode()
    texts = {
        secret, repr(secret)[1:-1], data.hex(),
        urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(json.dumps(secret))[3:-3],
    }
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data + b"\0\0").decode()
        texts |= {text[4:-8], text[4:-8].translate({43: "-", 47: "_"})}
    return [text.encode() for text in texts]


def content_of(path: Path) -> bytes:
    """A file's bytes, and those of what is encoded or compressed in it."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data += gzip.decompress(data)
    for found in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", data):
        whole = found.rstrip(b"=")
        whole = whole[: len(whole) - (len(whole) % 4 == 1)]
        data += b"\n" + base64.b64decode(whole + b"=" * (-len(whole) % 4))
    return data


def leaks(directory: Path, secrets: dict[str, str]) -> dict[str, list[str]]:
    """Where each secret is found in a directory."""
    found: dict[str, list[str]] = {}
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        data = content_of(path)
        for place, secret in secrets.items():
            hits = [form for form in forms(secret) if form in data]
            if hits:
                at = data.find(hits[0])
                found.setdefault(place, []).append(f"{path.name}: ...{data[max(0, at - 300): at + 60].decode('utf-8', 'replace')}")
    return found


PLAY = r"""
- name: "Leak with {{ extra_task_name_token }}"
  hosts: all
  gather_facts: true
  gather_subset: [env, local, "!all"]
  fact_path: "{{ playbook_dir }}/facts.d"
  vars_files: [vaulted.yml]
  vars:
    play_password: @play_vars@
    harmless_inline: !vault |
@vault_inline@
  vars_prompt:
    - name: asked
      prompt: say it
      private: true
  tasks:
    - ansible.builtin.command: {argv: [echo, "{{ extra_json_password }} and {{ extra_keyvalue_token }}"]}
      register: shown
    - ansible.builtin.debug: {var: shown}
    - name: "Named after {{ extra_task_name_token }}"
      ansible.builtin.debug: {msg: "{{ lookup('env', 'FAKE_API_TOKEN') }} {{ lookup('env', 'DATABASE_URL') }}"}
    - ansible.builtin.command: "env"
      environment:
        PGPASSWORD: "{{ inventory_task_environment_password }}"
      register: environment_shown
    - ansible.builtin.debug: {var: environment_shown.stdout}
    - ansible.builtin.command: {argv: [printf, '%s', @no_log_argument@]}
      no_log: true
    - ansible.builtin.command: {argv: [printf, '%s', @no_log_registered@]}
      no_log: true
      register: hush
    - ansible.builtin.debug: {var: hush}
    - ansible.builtin.debug: {msg: "is {{ hush.stdout }}, url {{ hush.stdout | urlencode }}, b64 {{ hush.stdout | b64encode }}"}
    - ansible.builtin.command: {argv: [printf, 'first\n%s\nlast line', @no_log_lines@]}
      no_log: true
      register: hush_lines
    - ansible.builtin.debug: {msg: "{{ hush_lines.stdout_lines[1] }}"}
    - ansible.builtin.set_fact: {fact_password: @no_log_fact@}
      no_log: true
    - ansible.builtin.debug: {msg: "now {{ fact_password }}"}
    - ansible.builtin.set_fact: {harmless: @no_log_harmless_fact@, cacheable: true}
      no_log: true
    - ansible.builtin.debug: {var: harmless}
    - ansible.builtin.set_fact: {set_fact_token: @set_fact_named@}
    - ansible.builtin.debug: {msg: "now {{ set_fact_token }}"}
    - ansible.builtin.set_fact: {set_fact_secret: @set_fact_cacheable@, cacheable: true}
    - ansible.builtin.debug: {msg: "now {{ set_fact_secret }}"}
    - ansible.builtin.debug: {var: ansible_facts}
    - ansible.builtin.debug: {msg: "{{ ansible_password }} {{ ansible_become_password }}"}
    - ansible.builtin.debug: {msg: "{{ databases[0].login_password }} {{ templated_password }}"}
    - ansible.builtin.debug: {msg: "{{ harmless_inline }} {{ from_vault.deep[0] }} {{ play_password }} {{ asked }}"}
    - ansible.builtin.include_vars: included_vault.yml
    - ansible.builtin.debug: {msg: "{{ from_included }}"}
    - ansible.builtin.debug: {msg: "postgresql://shop:@url@@db.example.org/shop https://example.org/?token=@url_query@&x=1"}
    - ansible.builtin.debug: {msg: "host=db user=shop password=@conninfo@ dbname=shop"}
    - ansible.builtin.debug: {msg: {dsn: "postgresql://shop:@dsn@@db.example.org/shop"}}
    - ansible.builtin.debug: {msg: "Authorization: Bearer @header@"}
    - ansible.builtin.debug: {msg: "ALTER ROLE shop PASSWORD '@sql@'"}
    - ansible.builtin.debug: {msg: "mytool --password @shell_option@ --verbose"}
    - ansible.builtin.slurp: {src: "{{ playbook_dir }}/secret.conf"}
    - ansible.builtin.command: {argv: [cat, "{{ playbook_dir }}/secret.conf"]}
    - ansible.builtin.copy: {content: "password: {{ inventory_copy_diff_password }}\n", dest: "{{ playbook_dir }}/written", mode: "0600"}
      diff: true
    - ansible.builtin.debug: {msg: "{{ item }}"}
      loop: ["{{ inventory_loop_item_password }}", other]
      loop_control: {label: hidden}
    - ansible.builtin.setup: {gather_subset: [env, local, "!all"], fact_path: "{{ playbook_dir }}/facts.d"}
    - ansible.builtin.debug: {msg: "{{ inventory_base64_shown_password | b64encode }}"}
    - ansible.builtin.debug: {msg: "x {{ ('user:' ~ inventory_base64_shown_password) | b64encode }}"}
    - ansible.builtin.debug: {msg: "{{ pem }} {{ shop_pepper }}"}
    - ansible.builtin.debug: {msg: "{{ 'a' * 65530 }}{{ inventory_large_password }}{{ 'b' * 70000 }}"}
    - ansible.builtin.fail: {msg: "cannot log in with {{ inventory_failed_message_password }}"}
      ignore_errors: true
"""


@pytest.mark.slow
def test_no_secret_is_anywhere_under_the_bundle(playbook: Playbook) -> None:
    secrets = {place: canary(place) for place in PLACES}
    for place in ("environment_url", "url", "url_query", "dsn", "conninfo", "header", "shell_option", "sql", "slurp"):
        secrets[place] = simple(place)
    pem = "-----BEGIN RSA PRIVATE KEY-----\n" + "CANARYpem" * 7 + "\n" + "CANARYpem2" * 6 + "\n-----END RSA PRIVATE KEY-----"
    secrets["pem"] = "CANARYpem" * 7
    here = playbook.place
    (here / "facts.d").mkdir()
    (here / "facts.d" / "custom.fact").write_text(json.dumps({"anything": secrets["custom_fact"]}))
    (here / "secret.conf").write_text(f"user=shop\ndb_password={secrets['slurp']}\n")
    (here / "vault-password").write_text("CANARY-vault-password-itself")
    secrets["vault_password"] = "CANARY-vault-password-itself"
    vault = _Vault("CANARY-vault-password-itself")
    (here / "vaulted.yml").write_text(vault.encrypt(json.dumps({"from_vault": {"deep": [secrets["vault_file"]]}})))
    (here / "included_vault.yml").write_text(vault.encrypt(json.dumps({"from_included": secrets["include_vars_vault"]})))
    inventory = {
        "ansible_connection": "local", "ansible_password": secrets["inventory_password"],
        "ansible_become_password": secrets["inventory_become"],
        "databases": [{"login_user": "shop", "login_password": secrets["inventory_nested"]}],
        "templated_password": "{{ lookup('file', playbook_dir ~ '/template-source') }}", "pem": pem, "shop_pepper": secrets["configured"],
        **{f"inventory_{place}_password": secrets[place] for place in SHOWN_FROM_INVENTORY},
    }
    (here / "template-source").write_text(secrets["inventory_template"])
    (here / "inventory.json").write_text(json.dumps({"all": {"hosts": {"db1": inventory}}}))
    extra = {"extra_unused_secret": secrets["extra_unused"], "extra_task_name_token": secrets["task_name"]}
    (here / "extra.json").write_text(json.dumps(extra))

    def planted(found: re.Match[str]) -> str:
        place, secret = found[1], secrets[found[1]]
        if place == "vault_inline":
            return textwrap.indent(vault.encrypt(secret), "      ")
        return secret if secret == simple(place) else json.dumps(secret)

    text = re.sub(r"@(\w+)@", planted, PLAY)
    done = playbook.run(
        text, "-e", json.dumps({"extra_json_password": secrets["extra_json"]}),
        "-e", "extra_keyvalue_token='" + secrets["extra_keyvalue"] + "'", "-e", "@extra.json",
        "--vault-password-file", "vault-password", "-vvv", "--diff", inventory="inventory.json", stdin=secrets["prompt"] + "\n",
        environ={"FAKE_API_TOKEN": secrets["environment_name"], "DATABASE_URL": f"postgresql://u:{secrets['environment_url']}@db.example.org/x",
                 "INCIDENT_REDACT_NAMES": "shop_pepper", "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1", "ANSIBLE_INJECT_INVOCATION": "1"},
    )
    assert done.status == 0, done.output[-6000:]
    assert verify.check(done.run_dir).status == verify.OK
    assert len(done.events("result")) >= 35
    found = leaks(playbook.home, secrets)
    assert not found, "\n".join(f"{place}: {where[0]}" for place, where in found.items())
    # The test itself would see them: they are in what Ansible printed.
    assert sum(form in done.output.encode() for secret in secrets.values() for form in forms(secret)) > 20
    # And the rest is still there.
    results = json.dumps(done.events("result"))
    for kept in ("db.example.org", "cannot log in with", "mytool", "user=shop"):
        assert kept in results


def test_asked_passwords(one_playbook: Playbook) -> None:
    """--ask-pass and --ask-become-pass, given by files as no terminal is there."""
    for name in ("conn", "become"):
        (one_playbook.place / name).write_text(f"CANARY-{name}-file")
    text = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: cat conn become
      args:
        chdir: "{{ playbook_dir }}"
"""
    done = one_playbook.run(text, "--connection-password-file", "conn", "--become-password-file", "become")
    assert done.status == 0, done.output
    assert not leaks(one_playbook.home, {"conn": "CANARY-conn-file", "become": "CANARY-become-file"})
    assert done.events("result")[0]["result"]["stdout"].count("[redacted:") == 2


def test_fifty_hosts_are_scanned_once_and_quickly(one_playbook: Playbook) -> None:
    hosts = {f"db{n}": {"login_password": f"CANARY-host-{n:03d}"} for n in range(50)}
    (one_playbook.place / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    done = one_playbook.run("""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ hostvars[item].login_password }}"
      loop: "{{ groups.all }}"
      run_once: true
""", inventory="inventory.json")
    assert done.status == 0, done.output
    assert not leaks(one_playbook.home, {host: values["login_password"] for host, values in hosts.items()})


class _Vault:
    """Encrypts with ansible-core's own vault."""

    def __init__(self, password: str) -> None:
        from ansible.parsing.vault import VaultLib, VaultSecret

        self._vault = VaultLib([("default", VaultSecret(password.encode()))])

    def encrypt(self, text: str) -> str:
        return str(self._vault.encrypt(text).decode())
