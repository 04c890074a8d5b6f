"""Finds or builds what belongs to the benchmark itself: target, relay, the library for wrk, a certificate."""

import shutil
import subprocess
from pathlib import Path

from lib.processes import StartError

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def own_tools(built_directory: Path, directory: Path) -> dict[str, Path]:
    """Target and relay: those the build left, when they are newer than their sources, else built into `directory`."""
    tools = {}
    for name in ("target", "relay"):
        source, built = TOOLS / f"{name}.cc", built_directory / name
        if built.is_file() and built.stat().st_mtime >= source.stat().st_mtime:
            tools[name] = built
        else:
            tools[name] = directory / name
            _run([_compiler("clang++-19", "clang++", "g++"), "-std=c++20", "-O2", str(source), "-o", str(tools[name])])
    return tools


def full_handshakes(directory: Path) -> Path:
    """The library that keeps wrk from resuming TLS sessions, and counts its handshakes."""
    library = directory / "full_handshakes.so"
    source = TOOLS / "full_handshakes.c"
    _run([_compiler("clang-19", "clang", "gcc"), "-O2", "-shared", "-fPIC", str(source), "-o", str(library), "-ldl"])
    return library


def certificate(directory: Path, name: str) -> tuple[Path, Path, Path]:
    """A self-signed ECDSA P-256 certificate for localhost: certificate, key, and both in one file for HAProxy."""
    certificate_file, key_file, both = (directory / f"{name}.{ending}" for ending in ("crt", "key", "pem"))
    _run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        + ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-keyout", str(key_file), "-out", str(certificate_file)]
    )
    both.write_text(certificate_file.read_text() + key_file.read_text())
    return certificate_file, key_file, both


def _compiler(*candidates: str) -> str:
    found = next((path for path in map(shutil.which, candidates) if path), None)
    if found is None:
        raise StartError(f"no compiler: none of {', '.join(candidates)} is installed")
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError(f"{command[0]} failed: {done.stderr.strip()}")
