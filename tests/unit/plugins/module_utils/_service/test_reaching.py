# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From inside a pod: kubectl's own failures are told from the command's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service import reaching
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.reaches import Reach, decide
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.instances import Instance

#: Parses what it is given, as kubectl exec does, and runs the command. It speaks of a failure in kubectl's words.
KUBECTL = f"""#!{sys.executable}
import argparse, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--context"); parser.add_argument("--namespace", required=True)
words = sys.argv[1:]
said, rest = parser.parse_known_args(words[:words.index("--")])
if rest[0] != "exec" or said.context != "blue":
    sys.exit("error: unknown command")
if rest[1:] != ["web-1"]:
    sys.exit(f'Error from server (NotFound): pods "{{rest[1]}}" not found')
status = subprocess.run(words[words.index("--") + 1:]).returncode
if status:
    print(f"command terminated with exit code {{status}}", file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize(("pod", "entry", "status"), [
    ("web-1", {"name": "x", "command": ["sh", "-c", "echo well"], "text": "well"}, "ok"),
    ("web-1", {"name": "x", "command": ["sh", "-c", "echo refused >&2; exit 1"]}, "critical"),
    ("web-2", {"name": "x", "command": ["true"]}, "unknown"), ("web-1", {"name": "x", "port": "db:5432"}, "unknown"),
])
def test_a_pod(tmp_path: Path, pod: str, entry: dict[str, object], status: str) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    where = {"command": [str(kubectl)], "context": "blue", "namespace": "shop"}
    service = Service("web", runtime="kubernetes", identity="deployment/web", where=where)
    door = reaching._door(service, Instance(id="u", name=pod, start="", state="Running", up=True, main_pid=0))
    tried = reaching._try(service, Reach.of(entry, service="web", number=1), door)
    verdict = decide([tried], asked=["reaches"]).verdict
    assert verdict.status == status, verdict.findings
    assert all(one.hint for one in verdict.findings if one.status != "ok")
