"""What is measured."""

from dataclasses import dataclass

IDLE_CONNECTIONS = 8_000
IDLE_CONNECTIONS_QUICK = 2_000


@dataclass(frozen=True)
class LoadScenario:
    """wrk, or h2load for HTTP/2, drives the connections as fast as they are answered."""

    name: str
    title: str
    path: str
    body_bytes: int
    tls: bool = False
    new_connections: bool = False  # one per request, each with a full handshake
    resumed: bool = False  # but for the first of each of wrk's connections, if new ones: by the last one's ticket
    connections: int = 64
    streams: int = 0  # at a time on each connection, over HTTP/2; 0: HTTP/1.1
    http2_target: bool = False


@dataclass(frozen=True)
class IdleScenario:
    """Connections that have made one request and stay open."""

    name: str
    title: str
    path: str = "/128"
    body_bytes: int = 128
    tls: bool = False
    streams: int = 0
    http2_target: bool = False


Scenario = LoadScenario | IdleScenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        LoadScenario("http1", "HTTP/1.1, 128-byte answers, 64 keep-alive connections", "/128", 128),
        LoadScenario("https", "The same over TLS 1.3", "/128", 128, tls=True),
        LoadScenario("tls-new", "A new TLS 1.3 connection for each request", "/128", 128, tls=True,
                     new_connections=True),
        LoadScenario("tls-resumed", "A new TLS 1.3 connection for each request, resumed by a ticket", "/128", 128,
                     tls=True, new_connections=True, resumed=True),
        LoadScenario("body-1m", "HTTP/1.1, 1 MiB answers", "/1m", 1024 * 1024),
        LoadScenario("h2-10", "HTTP/2 over TLS 1.3, 128-byte answers, 8 connections with 10 streams each", "/128", 128,
                     tls=True, connections=8, streams=10),
        LoadScenario("h2-100", "The same with 100 streams each", "/128", 128, tls=True, connections=8, streams=100),
        LoadScenario("h2-h2", "The same with 100 streams each, and HTTP/2 in the clear to the target", "/128", 128,
                     tls=True, connections=8, streams=100, http2_target=True),
        IdleScenario("idle", "Idle keep-alive connections, plain"),
        IdleScenario("idle-tls", "Idle keep-alive connections, TLS 1.3", tls=True),
    )
}  # fmt: skip
