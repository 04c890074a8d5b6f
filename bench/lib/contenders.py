"""The programs compared, and how each is started. Their tuning is in bench/contenders, with the reasons."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib.processes import Program, StartError, free_ports

TEMPLATES = Path(__file__).resolve().parent.parent / "contenders"


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    program: str  # looked up on the PATH and in the tools' folder
    template: str | None  # configuration in bench/contenders
    arguments: tuple[str, ...]
    version_arguments: tuple[str, ...] = ()
    terminates_tls: bool = True
    has_access_log: bool = True
    logs_to_output: bool = False
    http2_only: bool = False  # takes part in nothing else
    # What @target_protocol@ is in its template, for targets with HTTP/1.1 and with HTTP/2; none: it cannot.
    target_protocols: tuple[str, str | None] = ("", None)


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("sluice", "Sluice", "sluice", "sluice.yaml", ("run", "--config", "@config@"), ("--version",),
                  target_protocols=("http1", "http2")),
        Contender("nginx", "nginx", "nginx", "nginx.conf", ("-p", "@directory@", "-c", "@config@"), ("-v",)),
        Contender("haproxy", "HAProxy", "haproxy", "haproxy.cfg", ("-db", "-f", "@config@"), ("-v",),
                  logs_to_output=True, target_protocols=("proto h1", "proto h2")),
        Contender("nghttpx", "nghttpx", "nghttpx", "nghttpx.conf", ("--conf=@config@",), ("--version",),
                  target_protocols=("http/1.1", "h2")),
        Contender("h2o", "H2O", "h2o", "h2o.conf", ("--conf", "@config@"), ("--version",), http2_only=True),
        Contender("relay", "TCP relay", "relay", None, ("--listen", "@plain_port@", "--target", "@target_port@"),
                  terminates_tls=False, has_access_log=False),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What all contenders of a run share."""

    directory: Path  # temporary, holds everything a run writes
    programs: dict[str, Path]  # of our own: sluice and the tools
    certificate: Path
    key: Path
    certificate_and_key: Path
    target_port: int
    http2_target_port: int  # 0: no scenario asks for it
    proxy_cpus: str
    load_cpus: str


def find_program(name: str, own_programs: dict[str, Path]) -> Path:
    if name in own_programs:
        found = own_programs[name]
        if not found.is_file():
            raise StartError(f"{found} does not exist: build it first")
        return found
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise StartError(f"{name} is not installed")
    return Path(path)


def fill(text: str, values: dict[str, object]) -> str:
    """Replaces @name@; an unknown name is an error of ours."""
    return re.sub(r"@([a-z_]+)@", lambda match: str(values[match[1]]), text)


class RunningContender:
    """A started contender. Use as a context manager, so that it is stopped."""

    def __init__(self, contender: Contender, setting: Setting, label: str, http2_target: bool):
        """`label` names its folder, which must not exist."""
        self.contender = contender
        self.plain_port, self.tls_port, admin_port = free_ports(3)
        directory = setting.directory / label
        directory.mkdir()
        self.access_log = directory / "access.log"
        values: dict[str, object] = {
            "directory": directory,
            "config": directory / (contender.template or ""),
            "access_log": self.access_log,
            "plain_port": self.plain_port,
            "tls_port": self.tls_port,
            "admin_port": admin_port,
            "target_port": setting.http2_target_port if http2_target else setting.target_port,
            "target_protocol": contender.target_protocols[http2_target],
            "certificate": setting.certificate,
            "key": setting.key,
            "certificate_and_key": setting.certificate_and_key,
            # A worker of a root-owned nginx changes to `nobody`, which may not enter our temporary folder.
            "user": "user root;" if os.geteuid() == 0 else "",
            "user_line": "user: root" if os.geteuid() == 0 else "",
        }
        if contender.template:
            template = (TEMPLATES / contender.template).read_text()
            Path(str(values["config"])).write_text(fill(template, values))
        command = [str(find_program(contender.program, setting.programs))]
        command += [fill(argument, values) for argument in contender.arguments]
        self.program = Program(
            contender.name,
            command,
            cpus=setting.proxy_cpus,
            directory=directory,
            output=self.access_log if contender.logs_to_output else None,
        )
        try:
            self.program.wait_until_listening(self.plain_port)
            if contender.terminates_tls:
                self.program.wait_until_listening(self.tls_port)
        except StartError:
            self.program.stop()
            raise

    def port(self, tls: bool) -> int:
        return self.tls_port if tls else self.plain_port

    def __enter__(self) -> "RunningContender":
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop()


def version_of(contender: Contender, own_programs: dict[str, Path]) -> str:
    """The first line a program says about itself, without its address on the web."""
    if not contender.version_arguments:
        return "bench/tools"
    command = [str(find_program(contender.program, own_programs)), *contender.version_arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    first_line = (answer.stdout + answer.stderr).strip().partition("\n")[0]
    return re.sub(r"^nginx version: |\s*-? https?://\S+.*$", "", first_line)
