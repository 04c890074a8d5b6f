"""The filter `compress`: clients get fewer bytes that mean the same, as soon as the target sent them."""

import random
import subprocess
import threading
import zlib

import brotli
import pytest
import zstandard

from support.client import request
from support.configuration import group, listener
from support.h2_target import H2Target
from support.target import response, serve

CODINGS = ["gzip", "br", "zstd"]
TEXT = b"It was the best of times, it was the worst of times. " * 200


def decode(answer):
    coding = answer.value("Content-Encoding")
    if coding is None:
        return answer.body
    return {"gzip": lambda body: zlib.decompress(body, 31),
            "br": brotli.decompress,
            "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
            }[coding](answer.body)


def chunked(pieces, *fields):
    lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in fields),
             "Transfer-Encoding: chunked", "", ""]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return "\r\n".join(lines).encode() + body + b"0\r\n\r\n"


def compressing(*targets, settings="on", **group_settings):
    return {"listeners": [listener(filters={"compress": settings})],
            "target_groups": [group("targets", *targets, **group_settings)]}


def serve_text(*fields, body=TEXT, status=200, content_type="text/html; charset=utf-8"):
    fields = (("Content-Type", content_type), *fields)

    def respond(asked):
        answer = response(body, *fields, status=status)
        return answer[: -len(body)] if asked.method == "HEAD" and body else answer

    return serve(respond)


def test_a_client_gets_the_coding_it_asks_for(start_sluice, start_target):
    proxy = start_sluice(compressing(start_target(serve_text())))
    with proxy.client() as client:
        for coding in CODINGS:
            answer = client.ask("GET", "/", ("Accept-Encoding", coding))
            assert answer.value("Content-Encoding") == coding
            assert answer.value("Vary") == "Accept-Encoding"
            assert answer.value("Content-Length") is None
            assert len(answer.body) < len(TEXT) / 4
            assert decode(answer) == TEXT
    for coding in CODINGS:
        proxy.wait_for_metric_value("sluice_compressed_answers_total", 1, listener="web", coding=coding)
    proxy.wait_for_metric_value("sluice_compression_input_bytes_total", 3 * len(TEXT), listener="web")


@pytest.mark.parametrize("asks, coding", [
    (None, None), ("", None), ("identity", None), ("deflate", None), ("gzip;q=0", None),
    ("br, gzip, zstd", "br"), ("gzip, zstd", "zstd"), ("gzip;q=0.9, br;q=0.1", "gzip"),
    ("*", "br"), ("*;q=0.5, br;q=0", "zstd"), ("identity;q=1, gzip;q=0.5", None)])
def test_the_clients_preference_decides_and_then_the_order_of_codings(
        start_sluice, start_target, asks, coding):
    proxy = start_sluice(compressing(start_target(serve_text())))
    with proxy.client() as client:
        fields = [] if asks is None else [("Accept-Encoding", asks)]
        answer = client.ask("GET", "/", *fields)
    assert answer.value("Content-Encoding") == coding
    assert decode(answer) == TEXT
    assert answer.value("Vary") == "Accept-Encoding"


@pytest.mark.parametrize("target, why", [
    (serve_text(body=b"small"), "shorter than min_size"),
    (serve_text(content_type="image/png"), "not of a type that is worth it"),
    (serve_text(("Content-Encoding", "br")), "coded already"),
    (serve_text(("Cache-Control", "public, no-transform")), "must not be changed"),
    (serve_text(("Content-Range", "bytes 0-9/100"), status=206), "a part"),
])
def test_what_is_not_to_be_compressed_passes_as_it_is(start_sluice, start_target, target, why):
    proxy = start_sluice(compressing(start_target(target)))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Accept-Encoding", "gzip"))
    assert answer.value("Content-Length") == str(len(answer.body)), why
    assert answer.value("Content-Encoding") in (None, "br")


def test_http_1_0_clients_get_the_length(start_sluice, start_target):
    proxy = start_sluice(compressing(start_target(serve_text())))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Accept-Encoding", "gzip"), version="1.0")
    assert (answer.value("Content-Encoding"), answer.body) == (None, TEXT)


def test_validators_become_weak_and_digests_and_ranges_go(start_sluice, start_target):
    target = start_target(serve_text(("ETag", '"v1"'), ("Accept-Ranges", "bytes"),
                                     ("Content-MD5", "x"), ("Last-Modified", "yesterday")))
    proxy = start_sluice(compressing(target))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Accept-Encoding", "gzip"))
        plain = client.ask("GET", "/")
    assert (answer.value("ETag"), plain.value("ETag")) == ('W/"v1"', '"v1"')
    assert [answer.value(name) for name in ("Accept-Ranges", "Content-MD5", "Last-Modified")] == [
        None, None, "yesterday"]
    assert plain.value("Accept-Ranges") == "bytes"


def test_304_speaks_of_what_200_did(start_sluice, start_target):
    def respond(asked):
        return b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'

    proxy = start_sluice(compressing(start_target(serve(respond))))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Accept-Encoding", "gzip"), ("If-None-Match", 'W/"v1"'))
    assert (answer.status, answer.value("ETag")) == (304, 'W/"v1"')
    assert answer.value("Vary") == "Accept-Encoding"


def test_a_large_event_reaches_the_client_whole_before_the_next(start_sluice):
    """An HTTP/2 target's 100,000 bytes at once, and then silence."""
    event = random.Random(1).randbytes(50_000).hex().encode()

    def answer(connection, asked):
        connection.respond(asked, body=event, headers=[("content-type", "text/plain")], ends=False)

    target = H2Target(answer)
    try:
        proxy = start_sluice(compressing(target, protocol_version="http2"))
        with proxy.client() as client:
            client.send(request("GET", "/", ("Accept-Encoding", "gzip")))
            assert client.response_head().value("Content-Encoding") == "gzip"
            decoder, seen = zlib.decompressobj(31), b""
            while len(seen) < len(event):
                size = int(client.wire.read_until(b"\r\n"), 16)
                seen += decoder.decompress(client.wire.read_exactly(size))
                client.wire.read_exactly(2)
            assert seen == event
    finally:
        target.close()


def test_edits_of_vary_leave_the_coding_in_it(start_sluice, start_target):
    configuration = compressing(start_target(serve_text()))
    configuration["listeners"][0]["filters"]["response_headers"] = {"set": {"Vary": "Cookie"}}
    proxy = start_sluice(configuration)
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Accept-Encoding", "gzip"))
    assert answer.values("Vary") == ["Cookie", "Accept-Encoding"]


def test_head_tells_what_get_would_and_has_no_content(start_sluice, start_target):
    proxy = start_sluice(compressing(start_target(serve_text())))
    with proxy.client() as client:
        answer = client.ask("HEAD", "/", ("Accept-Encoding", "gzip"))
        assert (answer.value("Content-Encoding"), answer.value("Content-Length")) == ("gzip", None)
        assert decode(client.ask("GET", "/", ("Accept-Encoding", "gzip"))) == TEXT  # not out of step


def test_a_thousand_random_bodies_decode_to_the_same_bytes(start_sluice, start_target):
    """Whole and in pieces, of all sizes, compressible or not."""
    draw = random.Random(20261121)
    bodies = []
    for _ in range(1000):
        size = int(2 ** draw.uniform(0, 17))
        few = draw.random() < 0.5
        bodies.append(bytes(draw.choices(b"abc \n", k=size)) if few else draw.randbytes(size))

    def respond(asked):
        body = bodies[int(asked.target[1:])]
        if int(asked.target[1:]) % 2:
            return response(body, ("Content-Type", "text/plain"))
        cuts = sorted(draw.sample(range(1, len(body)), min(5, len(body) - 1)))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)])]
        return chunked(pieces, ("Content-Type", "text/plain"))

    proxy = start_sluice(compressing(start_target(serve(respond)), settings={"min_size": 1}))
    with proxy.client() as client:
        for index, body in enumerate(bodies):
            answer = client.ask("GET", f"/{index}", ("Accept-Encoding", CODINGS[index % 3]))
            assert answer.value("Content-Encoding") == CODINGS[index % 3]
            assert decode(answer) == body, f"body {index} of {len(body)} bytes"


@pytest.mark.parametrize("coding", CODINGS)
def test_an_event_stream_arrives_event_by_event(start_sluice, start_target, coding):
    """The target sends an event only when the client has decoded the one before."""
    turns = [threading.Event() for _ in range(5)]

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n")
        for number, turn in enumerate(turns):
            event = b"data: %d\n\n" % number
            connection.send(b"%x\r\n%s\r\n" % (len(event), event))
            connection.wait(turn)
        connection.send(b"0\r\n\r\n")
        connection.wait_for_close()

    decoder = {"gzip": lambda: zlib.decompressobj(31).decompress,
               "br": lambda: brotli.Decompressor().process,
               "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress}[coding]()
    proxy = start_sluice(compressing(start_target(script)))
    with proxy.client() as client:
        client.send(request("GET", "/events", ("Accept-Encoding", coding)))
        head = client.response_head()
        assert head.value("Content-Encoding") == coding
        for number, turn in enumerate(turns):
            seen = b""
            while not seen.endswith(b"\n\n"):
                size = int(client.wire.read_until(b"\r\n"), 16)
                seen += decoder(client.wire.read_exactly(size))
                client.wire.read_exactly(2)
            assert seen == b"data: %d\n\n" % number
            turn.set()


def test_http2_clients_and_targets_too(start_sluice):
    """Real curl over HTTP/2, an HTTP/2 target behind."""
    def answer(connection, asked):
        connection.respond(asked, body=TEXT, headers=[("content-type", "text/css")])

    target = H2Target(answer)
    try:
        configuration = compressing(target, protocol_version="http2")
        configuration["listeners"][0]["http2"] = True
        proxy = start_sluice(configuration)
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--compressed", "-D", "-",
                               f"http://127.0.0.1:{proxy.port()}/style.css"],
                              capture_output=True, check=True, timeout=30)
    finally:
        target.close()
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b"content-encoding: " in head.lower()
    assert body == TEXT


def test_beyond_its_concurrency_answers_pass_as_they_are(start_sluice, start_target):
    release = threading.Event()

    def script(connection):
        while asked := connection.read_request():
            if asked.target == "/slow":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                b"Content-Length: 4000\r\n\r\n" + b"x" * 2000)
                connection.wait(release)
                connection.send(b"x" * 2000)
            else:
                connection.send(response(TEXT, ("Content-Type", "text/plain")))

    proxy = start_sluice(compressing(start_target(script), settings={"concurrency": 1}))
    with proxy.client() as slow, proxy.client() as other:
        slow.send(request("GET", "/slow", ("Accept-Encoding", "gzip")))
        head = slow.response_head()
        assert head.value("Content-Encoding") == "gzip"
        answer = other.ask("GET", "/", ("Accept-Encoding", "gzip"))
        assert (answer.value("Content-Encoding"), answer.body) == (None, TEXT)
        proxy.wait_for_metric_value("sluice_compressed_answers_total", 1, listener="web",
                                    coding="skipped")
        release.set()
        slow.wire.read_until(b"0\r\n\r\n")
        answer = other.ask("GET", "/", ("Accept-Encoding", "gzip"))
        assert answer.value("Content-Encoding") == "gzip"


def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9000\r\n\r\n"
                        + b"x" * 5000)

    proxy = start_sluice(compressing(start_target(script)))
    with proxy.client() as client:
        client.send(request("GET", "/", ("Accept-Encoding", "gzip")))
        assert client.response_head().value("Content-Encoding") == "gzip"
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert proxy.only_log_line()["reason"] == "target_body_cut"
