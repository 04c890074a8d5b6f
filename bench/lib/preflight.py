"""Asks each contender for the scenario's answer twice on one connection, before anything is measured.

A proxy that answers wrongly may well be fast; its figures would mean nothing.
"""

import http.client
import ssl
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
        first_socket = connection.sock
        for _ in range(2):
            _check_answer(connection, scenario)
        if connection.sock is not first_socket:
            raise WrongAnswer("the connection was not kept alive")
        connection.close()
        return cipher
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{type(error).__name__}: {error}") from error


def _connect(port: int, scenario: Scenario, certificate: Path) -> http.client.HTTPConnection:
    if scenario.tls:
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    connection.connect()
    return connection


def _check_tls(socket: ssl.SSLSocket) -> str:
    version, cipher = socket.version(), socket.cipher()
    if version != "TLSv1.3":
        raise WrongAnswer(f"negotiated {version}, not TLSv1.3")
    return f"{version} {cipher[0] if cipher else '?'}"


def _check_answer(connection: http.client.HTTPConnection, scenario: Scenario) -> None:
    connection.request("GET", scenario.path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise WrongAnswer(f"status {answer.status}, not 200")
    if len(body) != scenario.body_bytes or body.strip(b"x"):
        raise WrongAnswer(f"a body of {len(body)} bytes, not the target's {scenario.body_bytes}")
