"""WebSockets over HTTP/2 (RFC 8441): a stream of the client's connection is one end of the tunnel."""

import os

import pytest
from support import h2_raw as h2
from support.configuration import group, listener
from support.target import serve_body
from support.websocket import TEXT, close_frame, echo, frame

VERSION = ("sec-websocket-version", "13")


@pytest.fixture
def echoing(start_sluice, start_target):
    return start_sluice({"listeners": [listener(http2=True)],
                         "target_groups": [group("targets", start_target(echo))]})


def connect(sluice):
    connection = h2.Connection.open(sluice.port())
    return connection.handshake()


def open_tunnel(connection, stream, *more):
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
              (":path", "/socket"), (":authority", "site.test"), VERSION, *more]
    connection.send(h2.headers(stream, h2.block(*fields), flags=h2.END_HEADERS))
    got = connection.stream(stream)
    connection.read_until(lambda: got.status is not None or got.reset is not None)
    return got


def test_extended_connect_is_offered(echoing):
    with connect(echoing) as connection:
        assert connection.settings[h2.ENABLE_CONNECT_PROTOCOL] == 1


def test_messages_are_echoed_by_an_http_1_target(echoing):
    with connect(echoing) as connection:
        got = open_tunnel(connection, 1, ("sec-websocket-protocol", "chat"))
        assert got.status == 200
        assert "sec-websocket-accept" not in dict(got.heads[0])
        message = b"hello " * 100
        connection.send(h2.data(1, frame(TEXT, message, masked=True)))
        connection.read_until(lambda: got.content.endswith(message))
        assert not got.ended


def test_long_messages_pass_with_flow_control_and_beside_requests(echoing):
    with connect(echoing) as connection:
        got = open_tunnel(connection, 1)
        payload = os.urandom(40_000)
        bytes_ = frame(2, payload, masked=True)
        for i in range(0, len(bytes_), 16_384):
            connection.send(h2.data(1, bytes_[i:i + 16_384]))
        connection.read_until(lambda: payload in got.content)
        second = open_tunnel(connection, 3)
        connection.send(h2.data(3, frame(TEXT, b"second", masked=True)))
        connection.read_until(lambda: second.content.endswith(b"second"))


def test_a_closing_handshake_ends_the_stream_and_not_the_connection(echoing):
    with connect(echoing) as connection:
        got = open_tunnel(connection, 1)
        connection.send(h2.data(1, close_frame(1000, masked=True)))
        connection.send(h2.data(1, b"", flags=h2.END_STREAM))
        connection.read_until(lambda: got.ended or got.reset is not None)
        assert b"\x03\xe8" in got.content
        again = open_tunnel(connection, 3)
        assert again.status == 200


def test_a_reset_stream_ends_the_targets_connection(echoing):
    with connect(echoing) as connection:
        assert open_tunnel(connection, 1).status == 200
        connection.send(h2.rst_stream(1))
        echoing.wait_for_metric_value("sluice_tunnels", 0, target_group="targets")
        assert open_tunnel(connection, 3).status == 200


def test_another_version_of_websocket_is_refused(echoing):
    with connect(echoing) as connection:
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                  (":path", "/socket"), (":authority", "site.test"),
                  ("sec-websocket-version", "8")]
        connection.send(h2.headers(1, h2.block(*fields), flags=h2.END_HEADERS))
        got = connection.stream(1)
        connection.read_until(lambda: got.status is not None)
        assert got.status == 426
        assert dict(got.heads[0])["sec-websocket-version"] == "13"
        assert "upgrade" not in dict(got.heads[0])


def test_a_target_that_is_no_websocket_server_opens_no_tunnel(start_sluice, start_target):
    sluice = start_sluice({"listeners": [listener(http2=True)],
                           "target_groups": [group("targets", start_target(serve_body(b"page")))]})
    with connect(sluice) as connection:
        assert open_tunnel(connection, 1).status == 502
