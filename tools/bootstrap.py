# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout's virtual environment, with nothing but the standard library.

Usage: python tools/bootstrap.py [--venv DIR] [--bare] REQUIREMENTS...    e.g. run, or: run test lint

Debian's Python has no ensurepip unless python3-venv is installed, so the environment is made without pip and filled by
the pip wheel in tools/. The user's own pip configuration (index, certificates, proxies) is honoured. Everything stays
inside the checkout; a stamp makes a second call instant.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
MINIMUM = (3, 11)
# Ended by a signal or by Ctrl-C, pip may leave half a package: the stamp is written last.
STAMP = "oncall-bootstrap.json"


class SetupFailed(Exception):
    """Set-up can't go on; the message says what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"==> {text}", flush=True)


def pip_wheel() -> Path:
    """The pip wheel in the checkout; it runs without being installed."""
    found = sorted((ROOT / "tools").glob("pip-*.whl"))
    if not found:
        raise SetupFailed(f"{ROOT / 'tools'} has no pip wheel: is the checkout complete?")
    return found[-1]


def runs(python: Path) -> bool:
    """Whether this interpreter starts at all (an upgraded system Python leaves dead environments behind)."""
    try:
        return subprocess.run([python, "-c", "pass"], capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False


def version_of(python: Path) -> str:
    """Such as 3.12.1."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def made_from(python: Path, names: list[str]) -> dict[str, str]:
    """What the environment depends on; another value than the stamp's means that pip has to look at it again."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        if path.stem in {*names, "run", "constraints"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return {"python": version_of(python), "requirements": digest.hexdigest()}


def make_environment(directory: Path) -> Path:
    """Make the virtual environment if there is none that runs; its Python."""
    python = directory / "bin" / "python"
    if python.exists() and runs(python):
        return python
    if directory.exists() or directory.is_symlink():
        if not (directory / "pyvenv.cfg").is_file():
            raise SetupFailed(f"{directory} is in the way and is no virtual environment: move it elsewhere")
        say(f"{shown(directory)} no longer runs (was its Python upgraded?): making it again")
        shutil.rmtree(directory)
    say(f"making {shown(directory)} with Python {sys.version.split()[0]} ({sys.executable})")
    # As for `python -m venv`, but never through ensurepip.
    venv.EnvBuilder(with_pip=False, symlinks=True).create(directory)
    if not runs(python):
        raise SetupFailed(f"{python} was made but does not run: is {sys.executable} a complete Python?")
    return python


def shown(path: Path) -> str:
    """A path below the checkout without the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def pip_environment() -> dict[str, str]:
    """The caller's environment, less what would send packages elsewhere than into the environment."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    kept.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    return {**kept, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONNOUSERSITE": "1"}


def pip_install(python: Path, arguments: list[str], *, pip: Path) -> None:
    """Run pip, showing one line per download; the whole output goes to .cache/bootstrap.log.

    Raises:
        SetupFailed: pip could not do it; ends with pip's own last lines.
    """
    argv = [str(python), f"{pip}/pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *arguments]
    log_path = CACHE / "bootstrap.log"
    recent: list[str] = []
    with log_path.open("a") as log:
        log.write(f"$ {' '.join(argv)}\n")
        with subprocess.Popen(
            argv, cwd=ROOT, env=pip_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            for line in child.stdout or ():
                log.write(line)
                recent = [*recent[-14:], line.rstrip()]
                text = line.strip()
                if text.startswith("Downloading ") and ".metadata" not in text:
                    print(f"    {text.removeprefix('Downloading ').rsplit('/', 1)[-1]}", flush=True)
        status = child.returncode
    if status:
        tail = "\n    ".join(recent)
        raise SetupFailed(
            f"pip ended with {status} (all of it: {shown(log_path)}):\n    {tail}\n"
            "Is the network there? pip's own settings count here: PIP_INDEX_URL, PIP_PROXY, PIP_CERT, pip.conf."
        )


def link_collection() -> None:
    """Let Ansible find the checkout as the collection oncall.incident, whatever its directory is called."""
    link = ROOT / ".collections" / "ansible_collections" / "oncall" / "incident"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")


def install_checkout(python: Path) -> None:
    """Put the `incident` command and the collection of this very checkout into the environment (an editable install)."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    write_if_changed(Path(packages) / "oncall_incident_checkout.pth", f"{ROOT / 'src'}\n{ROOT / '.collections'}\n")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in scripts.items():
        module, _, function = target.partition(":")
        script = python.parent / name
        # Through sh: a kernel cuts the first line of a script after 127 or 255 bytes, and paths may hold spaces.
        start = f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"
        write_if_changed(script, f"{start}import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n")
        script.chmod(0o755)


def write_if_changed(path: Path, text: str) -> None:
    """Write a file at once, and only when its content is another one: somebody may be running it."""
    if not path.is_file() or path.read_text() != text:
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)


def bootstrap(*, directory: Path, names: list[str], bare: bool) -> Path:
    """Bring the environment to what the requirement files ask for; its Python.

    Args:
        bare: no wrapper and no collection, only the packages.
    """
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not bare:
            link_collection()
        python = make_environment(directory)
        stamp = directory / STAMP
        done = json.loads(stamp.read_text()) if stamp.is_file() else {}
        everything = sorted({*names, *done.get("names", [])}, key=lambda name: (name != "run", name))
        wanted = {"names": everything, **made_from(python, everything)}
        if done != wanted:
            began = time.monotonic()
            say(f"installing {', '.join(everything)} (requirements/) into {shown(directory)}, Python {wanted['python']}")
            stamp.unlink(missing_ok=True)
            wheel = pip_wheel()
            files = [argument for name in everything for argument in ("-r", f"requirements/{name}.txt")]
            pip_install(python, [*files, str(wheel)], pip=wheel)
            stamp.write_text(json.dumps(wanted) + "\n")
            say(f"ready after {time.monotonic() - began:.0f} s")
        if not bare:
            install_checkout(python)
    return python


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="+", help="files of requirements/, without .txt")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="the environment's directory")
    parser.add_argument("--bare", action="store_true", help="packages only, not this checkout itself")
    arguments = parser.parse_args()
    if sys.version_info < MINIMUM:
        print(f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    try:
        bootstrap(directory=Path(os.path.abspath(arguments.venv)), names=arguments.names, bare=arguments.bare)
    except SetupFailed as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
