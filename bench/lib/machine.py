"""Where and with what a run was made."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from lib.contenders import CONTENDERS, version_of
from lib.processes import StartError


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "unknown"


def describe() -> dict[str, object]:
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": _system_name(),
        "load_average_before": os.getloadavg()[0],
    }


def _system_name() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "unknown"


def versions(names: list[str], own_programs: dict[str, Path]) -> dict[str, str]:
    """Of the contenders that can be found, and of what measures them."""
    found = {}
    for name in names:
        try:
            found[name] = version_of(CONTENDERS[name], own_programs)
        except (StartError, OSError, subprocess.TimeoutExpired):
            continue  # why it is missing is said by its results
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    found["wrk"] = (wrk.stdout + wrk.stderr).partition("\n")[0].partition(" Copyright")[0]
    if h2load := shutil.which("h2load"):
        said = subprocess.run([h2load, "--version"], capture_output=True, text=True, check=False).stdout
        found["h2load"] = said.strip().removeprefix("h2load ")
    found["openssl"] = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout.strip()
    return found


def commit(repository: Path) -> tuple[str, bool]:
    """Short name of the commit, and whether the tree differs from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "--verify", "HEAD") or "uncommitted", bool(git("status", "--porcelain"))
