# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard that keeps Ansible out of the tests that are to be quick."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from tests.support.no_ansible import AnsibleStarted, offence, taken


@pytest.mark.parametrize(("executable", "argv", "said"), [
    ("ansible-playbook", ["ansible-playbook", "x.yml"], "ansible-playbook"),
    (b"/v/bin/ansible", [b"/v/bin/ansible"], "/v/bin/ansible"),
    ("/v/bin/python3", ["/v/bin/python3", "/v/bin/ansible-doc", "-l"], "/v/bin/ansible-doc"),
    ("/v/bin/python3", ["/v/bin/python3", "-m", "ansible.cli.doc"], "python -m ansible.cli.doc"),
    ("/v/bin/python3", ["/v/bin/python3", "-m", "build", "--wheel"], "python -m build"),
    ("/v/bin/python3", ["/v/bin/python3", "-m", "pytest"], None),
    ("/v/bin/python3", ["/v/bin/python3", "-c", "import ansible"], None),
    ("git", ["git", "-C", "ansible"], None),
    (None, "true", None),
])
def test_what_is_refused(executable: Any, argv: Any, said: str | None) -> None:
    assert offence("subprocess.Popen", (executable, argv, None, None)) == said
    assert offence("os.exec", (executable, argv, None)) == said
    assert offence("open", (executable, argv)) is None


def test_it_is_not_started() -> None:
    with pytest.raises(AnsibleStarted):
        subprocess.run(["ansible-playbook", "--version"], check=False)
    assert taken() == ["ansible-playbook"]


def test_what_swallows_the_error_is_found_all_the_same() -> None:
    with suppress(Exception):
        os.posix_spawn("/nowhere/ansible-config", ["ansible-config"], {})
    assert taken() == ["/nowhere/ansible-config"]


def test_others_are_started() -> None:
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
    assert taken() == []
