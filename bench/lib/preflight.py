"""Asks each contender for the scenario's answer twice on one connection, before anything is measured.

A proxy that answers wrongly may well be fast; its figures would mean nothing.
"""

import http.client
import socket
import ssl
import subprocess
from pathlib import Path

from lib.scenarios import Scenario

TIMEOUT_SECONDS = 5


class WrongAnswer(Exception):
    """The contender does not do what the scenario measures."""


def check_answers(port: int, scenario: Scenario, certificate: Path) -> str:
    """Returns the TLS version and cipher suite, or an empty string without TLS. Raises WrongAnswer."""
    try:
        connection = _connect(port, scenario, certificate)
        cipher = ""
        if scenario.tls:
            cipher = _check_tls(connection.sock)
        if scenario.streams:
            connection.close()
            _check_http2(port, scenario, certificate)
            return cipher
        first_socket = connection.sock
        for _ in range(2):
            _check_answer(connection, scenario)
        if connection.sock is not first_socket:
            raise WrongAnswer("the connection was not kept alive")
        connection.close()
        return cipher
    except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        raise WrongAnswer(f"{type(error).__name__}: {error}") from error


def _connect(port: int, scenario: Scenario, certificate: Path) -> http.client.HTTPConnection:
    if scenario.tls:
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    connection.connect()
    return connection


def _check_tls(connection: ssl.SSLSocket) -> str:
    version, cipher = connection.version(), connection.cipher()
    if version != "TLSv1.3":
        raise WrongAnswer(f"negotiated {version}, not TLSv1.3")
    return f"{version} {cipher[0] if cipher else '?'}"


def _check_http2(port: int, scenario: Scenario, certificate: Path) -> None:
    """That ALPN leads to HTTP/2, and what two streams of one connection bring."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", port)
    with socket.create_connection(address, TIMEOUT_SECONDS) as plain, context.wrap_socket(
        plain, server_hostname="localhost"
    ) as connection:
        if connection.selected_alpn_protocol() != "h2":
            raise WrongAnswer(f"ALPN chose {connection.selected_alpn_protocol()}, not h2")
    # It ends with an error for a status of 400 or above only; the body tells the rest.
    command = ["nghttp", "--no-verify-peer", f"--timeout={TIMEOUT_SECONDS}", "--multiply=2"]
    url = f"https://localhost:{port}{scenario.path}"
    answer = subprocess.run([*command, url], capture_output=True, timeout=2 * TIMEOUT_SECONDS, check=False)
    if answer.stdout != b"x" * (2 * scenario.body_bytes):
        said = (answer.stderr or answer.stdout)[-200:].decode(errors="replace")
        raise WrongAnswer(f"two answers over HTTP/2 of {len(answer.stdout)} bytes: {said}")


def _check_answer(connection: http.client.HTTPConnection, scenario: Scenario) -> None:
    connection.request("GET", scenario.path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise WrongAnswer(f"status {answer.status}, not 200")
    if len(body) != scenario.body_bytes or body.strip(b"x"):
        raise WrongAnswer(f"a body of {len(body)} bytes, not the target's {scenario.body_bytes}")
