# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every linter over the checkout, without containers and without leaving a file outside the checkout.

Usage: python tools/lint.py [NAME...]        all of them, or those named: ruff mypy yamllint ansible-lint docs changelog sanity
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
BIN = Path(sys.executable).parent
#: One for each environment that lints: several may at a time.
SANITY = CACHE / "sanity" / BIN.parent.name.lstrip(".")
SHIPPED = SANITY / "ansible_collections" / "oncall" / "incident"
SANITY_HOME = SANITY / "home"
# Cold, ansible-test makes half a dozen virtual environments.
TIMEOUT = 1500


@dataclass(frozen=True)
class Outcome:
    """What one linter said."""

    name: str
    ok: bool
    output: str
    seconds: float


def environment(**more: str) -> dict[str, str]:
    """The environment of every linter: this virtual environment first on PATH, Ansible's files in the cache."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(CACHE / "ansible" / "tmp"),
        "XDG_CACHE_HOME": str(CACHE / "xdg"),
        "MYPY_CACHE_DIR": str(CACHE / "mypy"),
        "RUFF_CACHE_DIR": str(CACHE / "ruff"),
        "NO_COLOR": "1",
        **more,
    }


def call(argv: list[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> tuple[bool, str]:
    """Run a program; whether it was content, and all it said."""
    done = subprocess.run(
        argv, cwd=cwd, env=env or environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def tool(name: str) -> str:
    """The path of a program of this virtual environment."""
    return str(BIN / name)


def ruff() -> tuple[bool, str]:
    """Python: errors, likely bugs, modern forms."""
    return call([tool("ruff"), "check", "--quiet", "--output-format", "concise", "."])


def mypy() -> tuple[bool, str]:
    """Types, strictly: all of the collection's plugins, the faults of drills, the command, the demo and the suite's tools."""
    packages = ["ansible_collections.oncall.incident.plugins", "oncall_incident", "demo", "tools.suite"]
    faults = [path.stem for path in sorted((ROOT / "roles" / "drill" / "files").rglob("*.py"))]
    chosen = [*(part for name in packages for part in ("-p", name)), *(part for name in faults for part in ("-m", name))]
    return call([sys.executable, "-m", "mypy", "--no-error-summary", *chosen])


def yamllint() -> tuple[bool, str]:
    """YAML: form and traps."""
    return call([tool("yamllint"), "--strict", "--format", "parsable", "."])


def ansible_lint() -> tuple[bool, str]:
    """Playbooks and roles, the production profile."""
    return call([tool("ansible-lint"), "--offline", "--nocolor", "-q", "--project-dir", str(ROOT)])


def docs() -> tuple[bool, str]:
    """Documentation of modules and roles: complete, and every reference leads somewhere."""
    argv = ["lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "--validate-collection-refs=all", str(ROOT)]
    return call([tool("antsibull-docs"), *argv])


def changelog() -> tuple[bool, str]:
    """Changelog fragments."""
    return call([tool("antsibull-changelog"), "lint"])


def sanity() -> tuple[bool, str]:
    """ansible-test sanity over what the collection's tarball carries, on this Python."""
    _unpack_shipped()
    _prepare_sanity_home()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    argv = [tool("ansible-test"), "sanity", "--color", "no", "--python", version]
    # Without the checkout's settings and the caller's ANSIBLE_* variables: what is tested is the collection alone.
    kept = {name: value for name, value in environment().items() if not name.startswith("ANSIBLE_")}
    ok, output = call(argv, cwd=SHIPPED, env={**kept, "HOME": str(SANITY_HOME), "TMPDIR": str(_temporary())})
    progress = ("Running sanity test", "NOTICE:", "Initializing", "Creating", "Installing", "Using cached", "WARNING: ")
    return ok, "\n".join(line for line in output.splitlines() if not line.startswith(progress))


def _temporary() -> Path:
    path = SANITY / "tmp"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _unpack_shipped() -> None:
    """Build the collection and unpack it where ansible-test wants it: below ansible_collections/<namespace>/<name>."""
    out = SANITY / "dist"
    ok, output = call([tool("ansible-galaxy"), "collection", "build", "--force", "--output-path", str(out), str(ROOT)])
    if not ok:
        raise RuntimeError(f"ansible-galaxy collection build failed:\n{output}")
    # tests/output below it holds ansible-test's own virtual environment, which makes the next run fast.
    kept = SHIPPED / "tests" / "output"
    for entry in SHIPPED.iterdir() if SHIPPED.is_dir() else ():
        if entry.name == ".git":
            continue
        if entry.name == "tests":
            for below in entry.iterdir():
                if below != kept:
                    _remove(below)
        else:
            _remove(entry)
    SHIPPED.mkdir(parents=True, exist_ok=True)
    (archive,) = sorted(out.glob("oncall-incident-*.tar.gz"))[-1:]
    with tarfile.open(archive) as tar:
        tar.extractall(SHIPPED, filter="data")
    # Without a repository of its own ansible-test would ask the checkout's git, which ignores everything below .cache.
    if not (SHIPPED / ".git").is_dir():
        subprocess.run(["git", "init", "--quiet", str(SHIPPED)], env=environment(), capture_output=True, check=True)
    # For ansible-test alone: what it needs to know, and which findings are ours to ignore.
    shutil.copy2(ROOT / "galaxy.yml", SHIPPED / "galaxy.yml")
    (SHIPPED / "tests").mkdir(exist_ok=True)
    shutil.copy2(ROOT / "tests" / "config.yml", SHIPPED / "tests" / "config.yml")
    if (ROOT / "tests" / "sanity").is_dir():
        shutil.copytree(ROOT / "tests" / "sanity", SHIPPED / "tests" / "sanity", dirs_exist_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _prepare_sanity_home() -> None:
    """A home for ansible-test with a get-pip of ours and the caller's pip settings.

    ansible-test would download get-pip.py from a host of its own, and it passes on no PIP_* variable.
    """
    cache = SANITY_HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (wheel,) = sorted((ROOT / "tools").glob("pip-*.whl"))[-1:]
    text = (
        '"""Stands in for get-pip.py: the pip wheel of the checkout installs what ansible-test asks for."""\n'
        "import runpy\nimport sys\n\n"
        f"sys.path.insert(0, {str(wheel)!r})\n"
        "sys.argv[1:] = ['install', *(word for word in sys.argv[1:] if word not in ('--no-setuptools', '--no-wheel'))]\n"
        "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", "import ansible_test._internal.python_requirements as module; print(module.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    for version in re.findall(r"\bpip='([\d.]+)'", Path(found.stdout.strip()).read_text()):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(text)
    settings = _pip_settings()
    target = SANITY_HOME / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.touch(mode=0o600)
    target.write_text(settings)


def _pip_settings() -> str:
    """The caller's pip settings, from wherever they come, as one pip.conf."""
    _ok, listed = call([sys.executable, "-m", "pip", "config", "list"])
    sections: dict[str, dict[str, str]] = {"global": {}}
    for line in listed.splitlines():
        name, mark, value = line.partition("=")
        section, _, key = name.removeprefix(":env:.").partition(".") if not name.startswith(":env:") else ("global", "", name[6:])
        if mark and key:
            sections.setdefault(section, {})[key] = str(ast.literal_eval(value))
    sections["global"] |= {"quiet": "1", "disable-pip-version-check": "true"}
    sections["global"].setdefault("cache-dir", os.environ.get("PIP_CACHE_DIR", str(CACHE / "pip")))
    lines = []
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        for key, value in settings.items():
            if key not in {"user", "target", "prefix", "require-virtualenv"}:
                lines.append(f"{key} = " + value.strip().replace("\n", "\n    "))
    return "\n".join(lines) + "\n"


LINTERS: dict[str, Callable[[], tuple[bool, str]]] = {
    "sanity": sanity,
    "ansible-lint": ansible_lint,
    "mypy": mypy,
    "ruff": ruff,
    "yamllint": yamllint,
    "docs": docs,
    "changelog": changelog,
}


def run(name: str) -> Outcome:
    """Run one linter."""
    began = time.monotonic()
    try:
        ok, output = LINTERS[name]()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        ok, output = False, str(error)
    return Outcome(name=name, ok=ok, output=output, seconds=time.monotonic() - began)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {' '.join(LINTERS)} (default: all)")
    names = parser.parse_args().names or list(LINTERS)
    unknown = [name for name in names if name not in LINTERS]
    if unknown:
        parser.error(f"no linter named {', '.join(unknown)}")
    CACHE.mkdir(exist_ok=True)
    failed = []
    # Two at a time: ansible-test waits for the network at its first run and is the longest.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for outcome in concurrent.futures.as_completed([pool.submit(run, name) for name in names]):
            result = outcome.result()
            print(f"==> {result.name}: {'ok' if result.ok else 'FAILED'} ({result.seconds:.0f} s)", flush=True)
            if not result.ok:
                failed.append(result.name)
                print("\n".join(f"    {line}" for line in result.output.splitlines()), flush=True)
    if failed:
        print(f"\nlint failed: {', '.join(failed)}. Again, one alone: {Path(sys.executable).name} tools/lint.py {failed[0]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
