"""HTTP/2 as a peer sees it: every rule of RFC 9113 that can be broken from outside, one row each.

A row is what is sent behind the handshake (bytes, or a function of the connection that waits or
looks), and what has to come of it. H2_CONFORMANCE_PORT names the port of another server on this
machine (clear text, prior knowledge; "/" answers 200 with content): it shows whether a row is
right.
"""

import os
import ssl
import struct

import pytest

from support import h2_raw as h2
from support.client import Client, request as h1_request
from support.configuration import group, listener, site, tls
from support.h2_raw import (ACK, COMPRESSION_ERROR, END_HEADERS, END_STREAM,
                            ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
                            INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, NO_ERROR, PADDED, PROTOCOL_ERROR,
                            REFUSED_STREAM, STREAM_CLOSED, WITH_PRIORITY, Closed, Connection, block,
                            continuation, data, dependency, frame, goaway, headers, ping, priority,
                            request, rst_stream, settings, window_update)
from support.http1 import Ended
from support.sluice import Sluice
from support.target import Target, response, serve_body

OTHER_SERVER = os.environ.get("H2_CONFORMANCE_PORT")
BODY = b"hello from the target"
LARGEST = 2**31 - 1
PROBE = b"is-alive"
NEXT_STREAM = 1001  # of the request that shows that the connection still works


# --- what has to come ----------------------------------------------------------------------------

def until(connection, condition):
    """False when the peer closed before."""
    try:
        connection.read_until(condition)
    except Closed:
        return False
    return True


def has_failed(connection):
    return connection.goaway is not None and connection.goaway.code != NO_ERROR


def connection_error(*codes):
    """GOAWAY with one of the codes, and the end of the connection (RFC 9113 5.4.1)."""
    def check(connection):
        connection.send(ping(PROBE))
        until(connection, lambda: has_failed(connection) or PROBE in connection.pongs)
        assert has_failed(connection), f"no GOAWAY with an error: {connection.frames}"
        assert connection.goaway.code in codes
        assert connection.is_closed()
    return check


def still_works(connection):
    """The connection answers PING, and one more request."""
    connection.send(settings((INITIAL_WINDOW_SIZE, 65_535)) + ping(PROBE) +
                    headers(NEXT_STREAM, request()))
    last = connection.stream(NEXT_STREAM)
    assert until(connection, lambda: PROBE in connection.pongs and
                 (last.ended or last.reset is not None)), connection.frames
    assert connection.goaway is None
    assert last.status == 200 and last.ended and last.content, last


def stream_error(*codes, stream=1):
    """RST_STREAM with one of the codes; the connection goes on (RFC 9113 5.4.2)."""
    def check(connection):
        assert until(connection, lambda: connection.stream(stream).reset is not None or
                     connection.stream(stream).ended), connection.frames
        assert connection.stream(stream).reset in codes, connection.frames
        still_works(connection)
    return check


def any_error(*codes, stream=1):
    """An error of the stream, or of the connection: both are allowed (RFC 9113 5.1, 5.4.1)."""
    def check(connection):
        connection.send(ping(PROBE))
        got = connection.stream(stream)
        until(connection, lambda: has_failed(connection) or got.reset is not None or
              (PROBE in connection.pongs and got.ended))
        code = connection.goaway.code if has_failed(connection) else got.reset
        assert code in codes, connection.frames
    return check


def malformed(connection):
    """A stream error, or 400 (RFC 9113 8.1.1); never an answer of a target."""
    got = connection.stream(1)
    assert until(connection, lambda: got.reset is not None or got.ended), connection.frames
    assert got.status in (None, 400), got
    if got.status is None:
        assert got.reset == PROTOCOL_ERROR
    still_works(connection)


def refused(*statuses):
    """An answer with one of the statuses."""
    def check(connection):
        got = connection.stream(1)
        assert until(connection, lambda: got.reset is not None or got.status is not None)
        assert got.status in statuses, got
        still_works(connection)
    return check


def refused_where_announced(status):
    """Of extended CONNECT: malformed as long as the peer has not offered it (RFC 8441 3)."""
    def check(connection):
        is_offered = connection.settings.get(h2.ENABLE_CONNECT_PROTOCOL) == 1
        (refused(status) if is_offered else stream_error(PROTOCOL_ERROR))(connection)
    return check


def answered(connection, stream=1):
    got = connection.stream(stream)
    assert until(connection, lambda: got.reset is not None or got.ended), connection.frames
    assert got.status == 200 and got.content and got.reset in (None, NO_ERROR), got
    still_works(connection)


def ignored(connection):
    still_works(connection)
    assert connection.stream(1).reset is None


def ignored_or_error(*codes, stream=1):
    """For frames that may still be under way when the stream is closed (RFC 9113 5.1, closed)."""
    def check(connection):
        connection.send(ping(PROBE))
        until(connection, lambda: has_failed(connection) or PROBE in connection.pongs)
        if has_failed(connection):
            assert connection.goaway.code in codes
            return
        assert connection.stream(stream).reset in (None, NO_ERROR, *codes)
        still_works(connection)
    return check


# --- steps of a row ------------------------------------------------------------------------------

def wait_for_end(connection, stream=1):
    connection.read_until(lambda: connection.stream(stream).ended)


def wait_for_content(count, stream=1):
    """Exactly so much, and PING shows that no more is coming."""
    def step(connection):
        got = connection.stream(stream)
        connection.read_until(lambda: len(got.content) >= count)
        opaque = b"count%03d" % count
        connection.send(ping(opaque))
        connection.read_until(lambda: opaque in connection.pongs)
        assert len(got.content) == count
    return step


def wait_for_increments(least, stream=1):
    def given(connection):
        return sum(struct.unpack(">I", each.payload)[0] for each in connection.frames
                   if (each.kind, each.stream) == (h2.WINDOW_UPDATE, stream))
    return lambda connection: connection.read_until(lambda: given(connection) >= least)


def wait_for_acks(count):
    return lambda connection: connection.read_until(lambda: connection.acks >= count)


def wait_for_pong(opaque):
    return lambda connection: connection.read_until(lambda: opaque in connection.pongs)


def too_many_streams(connection):
    """One more than the peer has said that it takes, all of them open."""
    limit = connection.settings[h2.MAX_CONCURRENT_STREAMS]
    connection.send(b"".join(headers(1 + 2 * i, request(method="POST"), END_HEADERS)
                             for i in range(limit + 1)))



def one_stream_too_many(connection):
    """The last one is refused, or the connection ends: the peer knew better."""
    limit = connection.settings[h2.MAX_CONCURRENT_STREAMS]
    last = connection.stream(1 + 2 * limit)
    if until(connection, lambda: has_failed(connection) or last.reset is not None or last.ended):
        code = connection.goaway.code if has_failed(connection) else last.reset
        assert code in (REFUSED_STREAM, PROTOCOL_ERROR), connection.frames
    assert last.status is None


def exceed_frame_size(kind, flags, stream, before=b""):
    def step(connection):
        size = connection.settings.get(MAX_FRAME_SIZE, 16_384) + 1
        connection.send(before + frame(kind, flags, stream, bytes(size)))
    return step


GET = headers(1, request())
POST_OPEN = headers(1, request(method="POST"), END_HEADERS)
# The answer's content cannot leave: the stream stays half-closed (remote).
HELD = settings((INITIAL_WINDOW_SIZE, 0)) + GET
ENDED = (GET, wait_for_end)
RESET = POST_OPEN + rst_stream(1)


def get(*more, flags=END_HEADERS | END_STREAM, **pseudo):
    """A request that no target may see."""
    return headers(1, request(*more, **{"path": "/refused", **pseudo}), flags)


def fields(*pairs, flags=END_HEADERS | END_STREAM):
    return headers(1, block(*pairs), flags)


def post(*more, content=b"", trailers=None, path="/cut"):
    """One whose head a target may have seen when its fault came, but never its end."""
    sent = get(*more, method="POST", path=path, flags=END_HEADERS)
    if trailers is None:
        return sent + data(1, content, END_STREAM)
    return sent + data(1, content) + headers(1, block(*trailers))


M, S, A, P = ((":method", "GET"), (":scheme", "http"), (":authority", "site.test"),
              (":path", "/refused"))
# Indexed fields of the static table (RFC 7541 appendix A): GET, http, "/"; and an authority.
INDEXED = b"\x82\x86\x84\x01" + h2.text("site.test")
BIG_FIELD = ("x-big", "y" * 6_000)

ROWS = {
    # --- 4.1 frame format
    "4.1 an unknown frame type is ignored": ([frame(0xBB, 0xFF, 0, b"unknown")], ignored),
    "4.1 an unknown frame type on a stream is ignored":
        ([POST_OPEN, frame(0xBB, 0xFF, 1, b"x"), data(1, b"x", END_STREAM)], answered),
    "4.1 unknown flags are ignored": ([ping(flags=0xFE)], ignored),
    "4.1 unknown flags of HEADERS are ignored":
        ([headers(1, request(), 0xD2 | END_HEADERS | END_STREAM)], answered),
    "4.1 unknown flags of DATA are ignored":
        ([POST_OPEN, data(1, b"x", 0xF6 | END_STREAM)], answered),
    "4.1 the reserved bit is ignored":
        ([frame(h2.PING, 0, 1 << 31, b"reserved"), wait_for_pong(b"reserved")], ignored),
    "4.1 the reserved bit of a stream is ignored":
        ([headers(1 | 1 << 31, request())], answered),
    # --- 4.2 frame size
    "4.2 DATA of 16384 bytes is taken":
        ([POST_OPEN, data(1, bytes(16_384), END_STREAM)], answered),
    "4.2 DATA beyond the limit":
        ([exceed_frame_size(h2.DATA, END_STREAM, 1, POST_OPEN)], any_error(FRAME_SIZE_ERROR)),
    "4.2 HEADERS beyond the limit":
        ([exceed_frame_size(h2.HEADERS, END_HEADERS | END_STREAM, 1)],
         connection_error(FRAME_SIZE_ERROR)),
    "4.2 SETTINGS beyond the limit":
        ([exceed_frame_size(h2.SETTINGS, 0, 0)], connection_error(FRAME_SIZE_ERROR)),
    "4.2 an unknown frame beyond the limit":
        ([exceed_frame_size(0xBB, 0, 0)], connection_error(FRAME_SIZE_ERROR)),
    "4.2 a length of 2^24-1":
        ([frame(h2.DATA, 0, 0, length=2**24 - 1)], connection_error(FRAME_SIZE_ERROR,
                                                                      PROTOCOL_ERROR)),
    # --- 4.3 field blocks, and RFC 7541
    "4.3 the static table is understood": ([headers(1, INDEXED)], answered),
    "4.3 a block over many CONTINUATIONs":
        ([headers(1, request()[:5], END_STREAM), continuation(1, request()[5:9], 0),
          continuation(1, b"", 0), continuation(1, request()[9:])], answered),
    "4.3 a truncated block": ([headers(1, request()[:-1])], connection_error(COMPRESSION_ERROR)),
    "4.3 an endless integer":
        ([headers(1, b"\x00\x7f" + b"\xff" * 12)], connection_error(COMPRESSION_ERROR)),
    "7541-2.3.3 index 0": ([headers(1, INDEXED + b"\x80")], connection_error(COMPRESSION_ERROR)),
    "7541-2.3.3 an index beyond the tables":
        ([headers(1, INDEXED + b"\xc6")], connection_error(COMPRESSION_ERROR)),
    "7541-2.3.3 a name's index beyond the tables":
        ([headers(1, INDEXED + b"\x0f\x50\x01x")], connection_error(COMPRESSION_ERROR)),
    "7541-4.2 a table size update behind fields":
        ([headers(1, INDEXED + b"\x20")], connection_error(COMPRESSION_ERROR)),
    "7541-6.3 a table size beyond the limit":
        ([headers(1, b"\x3f" + b"\xe1\xff\x7f" + INDEXED)], connection_error(COMPRESSION_ERROR)),
    "7541-6.3 a table of no size": ([headers(1, b"\x20" + INDEXED)], answered),
    "7541-5.2 Huffman padding longer than 7 bits":
        ([headers(1, INDEXED + b"\x00\x01x\x83\xf9\xff\xff")], connection_error(COMPRESSION_ERROR)),
    "7541-5.2 Huffman padding of zeros":
        ([headers(1, INDEXED + b"\x00\x01x\x81\x18")], connection_error(COMPRESSION_ERROR)),
    "7541-5.2 Huffman with EOS":
        ([headers(1, INDEXED + b"\x00\x01x\x84\xff\xff\xff\xff")],
         connection_error(COMPRESSION_ERROR)),
    # --- 5.1 stream states: idle
    "5.1 idle: DATA": ([data(1, b"x", END_STREAM)], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: RST_STREAM": ([rst_stream(1)], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: WINDOW_UPDATE": ([window_update(1, 100)], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: CONTINUATION": ([continuation(1, request())], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: PUSH_PROMISE":
        ([frame(h2.PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + request())],
         connection_error(PROTOCOL_ERROR)),
    "5.1 idle: PRIORITY": ([priority(1)], ignored),
    "5.1 idle: an even stream's DATA": ([data(2, b"x")], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: an even stream's RST_STREAM": ([rst_stream(2)], connection_error(PROTOCOL_ERROR)),
    "5.1 idle: an even stream's WINDOW_UPDATE":
        ([window_update(2, 1)], connection_error(PROTOCOL_ERROR)),
    # open
    "5.1 open: DATA": ([POST_OPEN, data(1, b"x", END_STREAM)], answered),
    "5.1 open: WINDOW_UPDATE":
        ([POST_OPEN, window_update(1, 100), data(1, b"", END_STREAM)], answered),
    "5.1 open: PRIORITY": ([POST_OPEN, priority(1), data(1, b"", END_STREAM)], answered),
    "5.1 open: RST_STREAM": ([RESET], ignored),
    "5.1 open: CONTINUATION":
        ([POST_OPEN, continuation(1, request())], connection_error(PROTOCOL_ERROR)),
    # half-closed (remote)
    "5.1 half-closed: DATA": ([HELD, data(1, b"x")], any_error(STREAM_CLOSED)),
    "5.1 half-closed: DATA that ends": ([HELD, data(1, b"x", END_STREAM)],
                                        any_error(STREAM_CLOSED)),
    "5.1 half-closed: HEADERS": ([HELD, GET], any_error(STREAM_CLOSED)),
    "5.1 half-closed: CONTINUATION":
        ([HELD, continuation(1, request())], connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    "5.1 half-closed: WINDOW_UPDATE": ([HELD, window_update(1, 1_000)], answered),
    "5.1 half-closed: PRIORITY": ([HELD, priority(1), window_update(1, 1_000)], answered),
    "5.1 half-closed: RST_STREAM": ([HELD, rst_stream(1)], ignored),
    # closed, by RST_STREAM from here
    "5.1 closed by reset: DATA": ([RESET, data(1, b"x", END_STREAM)],
                                  ignored_or_error(STREAM_CLOSED)),
    "5.1 closed by reset: HEADERS": ([RESET, GET], any_error(STREAM_CLOSED)),
    "5.1 closed by reset: CONTINUATION":
        ([RESET, continuation(1, request())], connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    "5.1 closed by reset: WINDOW_UPDATE": ([RESET, window_update(1, 1)],
                                           ignored_or_error(STREAM_CLOSED)),
    "5.1 closed by reset: RST_STREAM": ([RESET, rst_stream(1)], ignored_or_error(STREAM_CLOSED)),
    "5.1 closed by reset: PRIORITY": ([RESET, priority(1)], ignored),
    # closed, by END_STREAM of both
    "5.1 closed by end: DATA": ([*ENDED, data(1, b"x", END_STREAM)],
                                connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    "5.1 closed by end: HEADERS": ([*ENDED, GET], connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    "5.1 closed by end: CONTINUATION":
        ([*ENDED, continuation(1, request())], connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    "5.1 closed by end: WINDOW_UPDATE": ([*ENDED, window_update(1, 1)], ignored),
    "5.1 closed by end: RST_STREAM": ([*ENDED, rst_stream(1)], ignored),
    "5.1 closed by end: PRIORITY": ([*ENDED, priority(1)], ignored),
    # --- 5.1.1 identifiers
    "5.1.1 an even stream": ([headers(2, request())], connection_error(PROTOCOL_ERROR)),
    "5.1.1 stream 0": ([headers(0, request())], connection_error(PROTOCOL_ERROR)),
    "5.1.1 a smaller identifier": ([headers(5, request()), headers(3, request())],
                                   connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    "5.1.1 identifiers with gaps": ([headers(101, request()),
                                     lambda c: wait_for_end(c, 101)], ignored),
    "5.1.2 more streams than announced": ([too_many_streams], one_stream_too_many),
    # --- 5.3 priority
    "5.3.1 HEADERS that depend on themselves":
        ([headers(1, dependency(on=1) + request(), END_HEADERS | END_STREAM | WITH_PRIORITY)],
         ignored_or_error(PROTOCOL_ERROR)),
    "5.3.1 PRIORITY that depends on itself":
        ([POST_OPEN, priority(1, on=1)], ignored_or_error(PROTOCOL_ERROR)),
    "5.3.2 HEADERS with priority":
        ([headers(1, dependency(on=7) + request(), END_HEADERS | END_STREAM | WITH_PRIORITY)],
         answered),
    # --- 6.1 DATA
    "6.1 stream 0": ([data(0, b"x")], connection_error(PROTOCOL_ERROR)),
    "6.1 padded": ([POST_OPEN, data(1, b"\x03abc\0\0\0", PADDED | END_STREAM)], answered),
    "6.1 nothing but padding": ([POST_OPEN, data(1, b"\x03\0\0\0", PADDED | END_STREAM)], answered),
    "6.1 padding as long as the payload":
        ([POST_OPEN, data(1, b"\x03ab", PADDED | END_STREAM)], connection_error(PROTOCOL_ERROR)),
    "6.1 padding longer than the payload":
        ([POST_OPEN, data(1, b"\xffab", PADDED | END_STREAM)], connection_error(PROTOCOL_ERROR)),
    "6.1 padded without a length":
        ([POST_OPEN, data(1, b"", PADDED)], connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    "6.1 no content": ([POST_OPEN, data(1), data(1), data(1, b"", END_STREAM)], answered),
    # --- 6.2 HEADERS
    "6.2 without END_HEADERS, then DATA":
        ([headers(1, request(), END_STREAM), data(1, b"x")], connection_error(PROTOCOL_ERROR)),
    "6.2 without END_HEADERS, then PRIORITY":
        ([headers(1, request(), END_STREAM), priority(1)], connection_error(PROTOCOL_ERROR)),
    "6.2 without END_HEADERS, then PING":
        ([headers(1, request(), END_STREAM), ping()], connection_error(PROTOCOL_ERROR)),
    "6.2 without END_HEADERS, then SETTINGS":
        ([headers(1, request(), END_STREAM), settings()], connection_error(PROTOCOL_ERROR)),
    "6.2 without END_HEADERS, then an unknown frame":
        ([headers(1, request(), END_STREAM), frame(0xBB, 0, 1)], connection_error(PROTOCOL_ERROR)),
    "6.2 without END_HEADERS, then HEADERS of another stream":
        ([headers(1, request(), END_STREAM), headers(3, request())],
         connection_error(PROTOCOL_ERROR)),
    "6.2 padded": ([headers(1, b"\x02" + request() + b"\0\0", 0xD)], answered),
    "6.2 padded, with priority":
        ([headers(1, b"\x02" + dependency() + request() + b"\0\0", 0x2D)], answered),
    "6.2 padding longer than the payload":
        ([headers(1, b"\xff" + request(), 0xD)], connection_error(PROTOCOL_ERROR)),
    "6.2 priority that does not fit":
        ([headers(1, b"\0\0", 0x25)], connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    # --- 6.3 PRIORITY
    "6.3 stream 0": ([priority(0)], connection_error(PROTOCOL_ERROR)),
    "6.3 of 4 bytes": ([POST_OPEN, frame(h2.PRIORITY, 0, 1, bytes(4))],
                       any_error(FRAME_SIZE_ERROR)),
    "6.3 of 6 bytes": ([POST_OPEN, frame(h2.PRIORITY, 0, 1, bytes(6))],
                       any_error(FRAME_SIZE_ERROR)),
    # --- 6.4 RST_STREAM
    "6.4 stream 0": ([rst_stream(0)], connection_error(PROTOCOL_ERROR)),
    "6.4 of 3 bytes": ([POST_OPEN, frame(h2.RST_STREAM, 0, 1, bytes(3))],
                       connection_error(FRAME_SIZE_ERROR)),
    "6.4 of 5 bytes": ([POST_OPEN, frame(h2.RST_STREAM, 0, 1, bytes(5))],
                       connection_error(FRAME_SIZE_ERROR)),
    "6.4 an unknown code": ([POST_OPEN, rst_stream(1, 0xABCDEF)], ignored),
    # --- 6.5 SETTINGS
    "6.5 stream 1": ([settings(stream=1)], connection_error(PROTOCOL_ERROR)),
    "6.5 of 3 bytes": ([frame(h2.SETTINGS, 0, 0, bytes(3))], connection_error(FRAME_SIZE_ERROR)),
    "6.5 of 7 bytes": ([frame(h2.SETTINGS, 0, 0, bytes(7))], connection_error(FRAME_SIZE_ERROR)),
    "6.5 ACK with content": ([settings((3, 100), flags=ACK)], connection_error(FRAME_SIZE_ERROR)),
    "6.5.2 ENABLE_PUSH of 2":
        ([settings((h2.ENABLE_PUSH, 2))], connection_error(PROTOCOL_ERROR)),
    "6.5.2 ENABLE_PUSH of 0": ([settings((h2.ENABLE_PUSH, 0)), wait_for_acks(2)], ignored),
    "6.5.2 INITIAL_WINDOW_SIZE of 2^31":
        ([settings((INITIAL_WINDOW_SIZE, 2**31))], connection_error(FLOW_CONTROL_ERROR)),
    "6.5.2 INITIAL_WINDOW_SIZE of 2^31-1":
        ([settings((INITIAL_WINDOW_SIZE, LARGEST)), wait_for_acks(2), GET], answered),
    "6.5.2 MAX_FRAME_SIZE of 16383":
        ([settings((MAX_FRAME_SIZE, 16_383))], connection_error(PROTOCOL_ERROR)),
    "6.5.2 MAX_FRAME_SIZE of 2^24":
        ([settings((MAX_FRAME_SIZE, 2**24))], connection_error(PROTOCOL_ERROR)),
    "6.5.2 MAX_FRAME_SIZE of 2^24-1": ([settings((MAX_FRAME_SIZE, 2**24 - 1)), wait_for_acks(2)],
                                       ignored),
    "6.5.2 HEADER_TABLE_SIZE of 0":
        ([settings((h2.HEADER_TABLE_SIZE, 0)), wait_for_acks(2), GET], answered),
    "6.5.2 ENABLE_CONNECT_PROTOCOL of 2":
        ([settings((h2.ENABLE_CONNECT_PROTOCOL, 2))], connection_error(PROTOCOL_ERROR)),
    "6.5.2 an unknown setting": ([settings((0xABCD, 1)), wait_for_acks(2)], ignored),
    "6.5.2 MAX_CONCURRENT_STREAMS of 0":
        ([settings((h2.MAX_CONCURRENT_STREAMS, 0)), wait_for_acks(2), GET], answered),
    "6.5.3 each is acknowledged": ([settings() * 3, wait_for_acks(4)], ignored),
    "6.5.3 of two values the last one counts":
        ([settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)) + GET,
          wait_for_content(1), window_update(1, 1_000)], answered),
    # --- 6.6 and 8.4 PUSH_PROMISE
    "8.4 PUSH_PROMISE of a client":
        ([POST_OPEN, frame(h2.PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + request())],
         connection_error(PROTOCOL_ERROR)),
    "6.6 PUSH_PROMISE on stream 0":
        ([frame(h2.PUSH_PROMISE, END_HEADERS, 0, struct.pack(">I", 2) + request())],
         connection_error(PROTOCOL_ERROR)),
    # --- 6.7 PING
    "6.7 the same eight bytes come back":
        ([ping(bytes(range(8))), wait_for_pong(bytes(range(8)))], ignored),
    "6.7 ACK is not answered": ([ping(b"unasked!", flags=ACK)], lambda connection: (
        still_works(connection),
        pytest.fail("answered") if b"unasked!" in connection.pongs else 0)),
    "6.7 stream 1": ([ping(stream=1)], connection_error(PROTOCOL_ERROR)),
    "6.7 of 6 bytes": ([ping(b"sixsix")], connection_error(FRAME_SIZE_ERROR)),
    "6.7 of 9 bytes": ([ping(b"nine nine")], connection_error(FRAME_SIZE_ERROR)),
    # --- 6.8 GOAWAY
    "6.8 stream 1": ([goaway(stream=1)], connection_error(PROTOCOL_ERROR)),
    "6.8 of 7 bytes": ([frame(h2.GOAWAY, 0, 0, bytes(7))], connection_error(FRAME_SIZE_ERROR)),
    "6.8 open streams go on": (
        [POST_OPEN + goaway(debug=b"bye") + data(1, b"x", END_STREAM)],
        lambda connection: (until(connection, lambda: connection.stream(1).ended) or
                            pytest.fail("cut"))),
    # --- 6.9 flow control
    "6.9 increment 0 of the connection": ([window_update(0, 0)], connection_error(PROTOCOL_ERROR)),
    "6.9 increment 0 of a stream": ([POST_OPEN, window_update(1, 0)], any_error(PROTOCOL_ERROR)),
    "6.9 the reserved bit is ignored":
        ([HELD, frame(h2.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 31 | 1_000))], answered),
    "6.9 of 3 bytes": ([frame(h2.WINDOW_UPDATE, 0, 0, bytes(3))],
                       connection_error(FRAME_SIZE_ERROR)),
    "6.9 of 5 bytes": ([POST_OPEN, frame(h2.WINDOW_UPDATE, 0, 1, bytes(5))],
                       connection_error(FRAME_SIZE_ERROR)),
    "6.9.1 overflow of the connection":
        ([window_update(0, LARGEST)], connection_error(FLOW_CONTROL_ERROR)),
    "6.9.1 overflow of a stream":
        ([POST_OPEN, window_update(1, LARGEST)], any_error(FLOW_CONTROL_ERROR)),
    "6.9.1 a window of 1 gives 1 byte":
        ([settings((INITIAL_WINDOW_SIZE, 1)) + GET, wait_for_content(1),
          window_update(1, 1), wait_for_content(2), window_update(1, 1_000)], answered),
    "6.9.1 padding counts":
        ([POST_OPEN, data(1, b"\xffx" + bytes(255), PADDED) * 255, wait_for_increments(10_000),
          data(1, b"", END_STREAM)], answered),
    "6.9.2 a change counts for open streams":
        ([HELD, wait_for_acks(2), settings((INITIAL_WINDOW_SIZE, 3)), wait_for_content(3),
          window_update(1, 1_000)], answered),
    "6.9.2 a window may become negative":
        ([settings((INITIAL_WINDOW_SIZE, 3)) + GET, wait_for_content(3),
          settings((INITIAL_WINDOW_SIZE, 1)), wait_for_acks(3), window_update(1, 2),
          wait_for_content(3), window_update(1, 1), wait_for_content(4),
          window_update(1, 1_000)], answered),
    "6.9.2 a change that overflows a stream":
        ([POST_OPEN, window_update(1, LARGEST - 65_535),
          settings((INITIAL_WINDOW_SIZE, 65_536))], any_error(FLOW_CONTROL_ERROR)),
    # --- 6.10 CONTINUATION
    "6.10 stream 0":
        ([headers(1, request(), END_STREAM), continuation(0, b"")],
         connection_error(PROTOCOL_ERROR)),
    "6.10 of another stream":
        ([headers(1, request(), END_STREAM), continuation(3, b"")],
         connection_error(PROTOCOL_ERROR)),
    "6.10 behind END_HEADERS":
        ([POST_OPEN, continuation(1, block(("x", "y")))], connection_error(PROTOCOL_ERROR)),
    "6.10 behind a CONTINUATION with END_HEADERS":
        ([headers(1, request(), 0), continuation(1, b""), continuation(1, b"")],
         connection_error(PROTOCOL_ERROR)),
    "6.10 behind DATA":
        ([POST_OPEN, data(1, b"x"), continuation(1, b"")], connection_error(PROTOCOL_ERROR)),
    # --- 8.1 messages
    "8.1 a second HEADERS without END_STREAM":
        ([get(method="POST", path="/cut", flags=END_HEADERS) + data(1, b"x") +
          headers(1, block(("x", "y")), END_HEADERS)], any_error(PROTOCOL_ERROR)),
    "8.1 trailers": ([POST_OPEN, data(1, b"x"), headers(1, block(("x-sum", "y")))], answered),
    "8.1 pseudo-header fields in trailers":
        ([post(content=b"x", trailers=[(":path", "/")])], malformed),
    "8.1 upper case in trailers": ([post(content=b"x", trailers=[("X-Sum", "1")])], malformed),
    "8.1 connection-specific fields in trailers":
        ([post(content=b"x", trailers=[("connection", "close")])], malformed),
    "8.1.1 HEAD has no content": ([headers(1, request(method="HEAD"))], lambda connection: (
        wait_for_end(connection), still_works(connection),
        pytest.fail("content") if connection.stream(1).content else 0)),
    "8.1.1 a length without content": ([get(("content-length", "1"))], malformed),
    "8.1.1 less content than its length":
        ([post(("content-length", "3"), content=b"x")], malformed),
    "8.1.1 more content than its length":
        ([post(("content-length", "1"), content=b"xyz")], malformed),
    "8.1.1 less content than its length, with trailers":
        ([post(("content-length", "3"), content=b"x", trailers=[("x", "y")])], malformed),
    "8.1.1 content where the length is 0":
        ([post(("content-length", "0"), content=b"x", path="/whole")], malformed),
    "8.1.1 content of its length":
        ([headers(1, request(("content-length", "2"), method="POST"), END_HEADERS),
          data(1, b"x"), data(1, b"y", END_STREAM)], answered),
    "8.1.1 a length that is no number":
        ([post(("content-length", "1x"), content=b"x", path="/refused")], malformed),
    "8.1.1 two lengths":
        ([post(("content-length", "1"), ("content-length", "1"), content=b"x",
               path="/refused")], malformed),
    "8.1.1 two different lengths":
        ([post(("content-length", "1"), ("content-length", "2"), content=b"x",
               path="/refused")], malformed),
    # --- 8.2 fields
    "8.2.1 upper case": ([get(("X-Upper", "1"))], malformed),
    "8.2.1 an empty name": ([get(("", "1"))], malformed),
    "8.2.1 a space in a name": ([get(("x y", "1"))], malformed),
    "8.2.1 a colon in a name": ([get(("x:y", "1"))], malformed),
    "8.2.1 NUL in a name": ([get(("x\0", "1"))], malformed),
    "8.2.1 a byte above 0x7f in a name": ([get((b"x\xff", "1"))], malformed),
    "8.2.1 CR in a value": ([get(("x", "1\r2"))], malformed),
    "8.2.1 LF in a value": ([get(("x", "1\n2"))], malformed),
    "8.2.1 NUL in a value": ([get(("x", "1\0"))], malformed),
    "8.2.1 a second request in a value":
        ([get(("x", "1\r\n\r\nGET /refused HTTP/1.1\r\nhost: site.test"))], malformed),
    "8.2.1 space before a value": ([get(("x", " 1"))], malformed),
    "8.2.1 space behind a value": ([get(("x", "1 "))], malformed),
    "8.2.1 a tab behind a value": ([get(("x", "1\t"))], malformed),
    "8.2.1 an empty value": ([headers(1, request(("x", "")))], answered),
    "8.2.1 bytes above 0x7f in a value": ([headers(1, request(("x", b"caf\xc3\xa9")))], answered),
    "8.2.2 Connection": ([get(("connection", "keep-alive"))], malformed),
    "8.2.2 Proxy-Connection": ([get(("proxy-connection", "keep-alive"))], malformed),
    "8.2.2 Keep-Alive": ([get(("keep-alive", "timeout=5"))], malformed),
    "8.2.2 Transfer-Encoding": ([post(("transfer-encoding", "chunked"), path="/refused")],
                                malformed),
    "8.2.2 Upgrade": ([get(("upgrade", "h2c"))], malformed),
    "8.2.2 TE other than trailers": ([get(("te", "trailers, deflate"))], malformed),
    "8.2.2 TE: trailers": ([headers(1, request(("te", "trailers")))], answered),
    "8.2.3 crumbs of Cookie":
        ([headers(1, request(("cookie", "a=1"), ("cookie", "b=2")))], answered),
    # --- 8.3 pseudo-header fields
    "8.3 unknown": ([get((":test", "x"))], malformed),
    "8.3 of an answer": ([fields(M, S, A, P, (":status", "200"))], malformed),
    "8.3 behind a regular field": ([fields(M, S, A, ("x", "y"), P)], malformed),
    "8.3 upper case": ([fields((":METHOD", "GET"), S, A, P)], malformed),
    "8.3.1 no method": ([fields(S, A, P)], malformed),
    "8.3.1 no scheme": ([fields(M, A, P)], malformed),
    "8.3.1 no path": ([fields(M, S, A)], malformed),
    "8.3.1 neither authority nor Host": ([fields(M, S, P)], malformed),
    "8.3.1 Host instead of authority":
        ([headers(1, request(("host", "site.test"), authority=None))], answered),
    "8.3.1 Host equal to authority": ([headers(1, request(("host", "SITE.test")))], answered),
    "8.3.1 Host other than authority": ([get(("host", "other.test"))], malformed),
    "8.3.1 method twice": ([fields(M, M, S, A, P)], malformed),
    "8.3.1 scheme twice": ([fields(M, S, S, A, P)], malformed),
    "8.3.1 authority twice": ([fields(M, S, A, A, P)], malformed),
    "8.3.1 path twice": ([fields(M, S, A, P, P)], malformed),
    "8.3.1 an empty path": ([get(path="")], malformed),
    "8.3.1 a path without slash": ([get(path="refused")], malformed),
    "8.3.1 an absolute path": ([get(path="http://other.test/refused")], malformed),
    "8.3.1 an asterisk of GET": ([get(path="*")], malformed),
    "8.3.1 a line end in the path": ([get(path="/refused HTTP/1.1\r\nx: y")], malformed),
    "8.3.1 a space in the path": ([get(path="/refused HTTP/1.1")], malformed),
    "8.3.1 a space in the method": ([get(method="GET /refused")], malformed),
    "8.3.1 an empty method": ([get(method="")], malformed),
    "8.3.1 a line end in the authority": ([get(authority="site.test\r\nx: y")], malformed),
    "8.3.1 user information": ([get(authority="user@site.test")], malformed),
    "8.3.1 an empty authority": ([get(authority="")], malformed),
    "8.3.1 an unknown scheme": ([get(scheme="ftp")], malformed),
    "8.3.1 https on clear text": ([headers(1, request(scheme="https"))], answered),
    # --- 8.5 CONNECT, RFC 8441, and other methods
    "8.5 CONNECT": ([fields((":method", "CONNECT"), (":authority", "site.test:443"),
                            flags=END_HEADERS)], refused(405)),
    "8.5 CONNECT with a path":
        ([fields((":method", "CONNECT"), A, P, flags=END_HEADERS)], malformed),
    "8.5 CONNECT with a scheme":
        ([fields((":method", "CONNECT"), A, S, flags=END_HEADERS)], malformed),
    "8.5 CONNECT without authority":
        ([fields((":method", "CONNECT"), flags=END_HEADERS)], malformed),
    "8441 :protocol without CONNECT": ([get((":protocol", "websocket"))], malformed),
    "8441 CONNECT for a WebSocket without a path":
        ([fields((":method", "CONNECT"), (":protocol", "websocket"), S, A, flags=END_HEADERS)],
         malformed),
    "8441 CONNECT for an unknown protocol":
        ([get((":protocol", "connect-udp"), method="CONNECT", flags=END_HEADERS)],
         refused_where_announced(501)),
    "9110-9.3.8 TRACE": ([get(method="TRACE")], refused(405)),
    "9110-10.1.1 an unknown expectation": ([get(("expect", "wonders"))], refused(417)),
    "T12 a path above the root": ([get(path="/../refused")], refused(400)),
    # --- 10.5.1 limits on field blocks
    "10.5.1 too much of fields":
        ([headers(1, request(path="/refused"), END_STREAM)] +
         [continuation(1, block(BIG_FIELD, BIG_FIELD), 0)] * 6 + [continuation(1, b"")],
         lambda connection: (until(connection, lambda: has_failed(connection) or
                                   connection.stream(1).reset is not None or
                                   connection.stream(1).status is not None),
                             connection.stream(1).status in (None, 431) or pytest.fail("taken"),
                             not has_failed(connection) or connection.goaway.code in
                             (ENHANCE_YOUR_CALM, PROTOCOL_ERROR) or pytest.fail("code"))),
}


# --- the server ----------------------------------------------------------------------------------

class Server:
    """The proxy before a target that knows which requests came to their end."""

    def __init__(self, port):
        self.port = port
        self.finished = []
        self.target = None

    def script(self, connection):
        try:
            while got := connection.read_head():
                connection.read_body(got)
                self.finished.append(got.target)
                connection.send(response(BODY if got.method != "HEAD" else b""))
        except (Ended, OSError):
            pass  # cut: many rows end so

    def check_targets(self):
        if self.target is not None:
            seen = [each.target for each in self.target.requests]
            assert not any("refused" in target for target in seen), seen
            assert "/cut" not in self.finished


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all rows: each has a connection of its own."""
    if OTHER_SERVER:
        yield Server(int(OTHER_SERVER))
        return
    running = Server(None)
    running.target = Target(running.script)
    config = site(running.target)
    config["listeners"][0]["http2"] = True
    proxy = Sluice(tmp_path_factory.mktemp("h2"), config)
    try:
        proxy.wait_until_ready()
        running.port = proxy.port()
        yield running
        proxy.clean_up()
    finally:
        proxy.process.kill()  # nothing, when it has ended
        proxy.process.wait()
        running.target.close()


@pytest.mark.parametrize("steps, expect", ROWS.values(), ids=ROWS)
def test_rfc_9113(server, steps, expect):
    with Connection.open(server.port) as connection:
        connection.handshake()
        try:
            for step in steps:
                if callable(step):
                    step(connection)
                else:
                    connection.send(step)
        except Closed:
            pytest.fail(f"closed: {connection.frames}")
        expect(connection)
    server.check_targets()


# --- 3.4 the preface -----------------------------------------------------------------------------

def test_the_servers_preface_is_a_settings_frame(server):
    with Connection.open(server.port) as connection:
        connection.handshake()
        first = connection.frames[0]
        assert (first.kind, first.flags & ACK, first.stream) == (h2.SETTINGS, 0, 0)


def test_the_preface_may_come_byte_by_byte(server):
    with Connection.open(server.port, preface=b"", first=b"") as connection:
        for byte in h2.PREFACE + settings():
            connection.send(bytes([byte]))
        connection.handshake()
        still_works(connection)


BAD_PREFACES = {
    "another one": b"INVALID CONNECTION PREFACE\r\n\r\n",
    "the end is wrong": h2.PREFACE[:-4] + b"XX\r\n" + settings(),
    "no SETTINGS behind it": h2.PREFACE + ping(),
    "ACK behind it": h2.PREFACE + settings(flags=ACK) + ping(),
    "HEADERS behind it": h2.PREFACE + headers(1, request()),
}


@pytest.mark.parametrize("preface", BAD_PREFACES.values(), ids=BAD_PREFACES)
def test_a_wrong_preface_ends_the_connection(server, preface):
    with Connection.open(server.port, preface=preface, first=b"") as connection:
        connection._read_frame = lambda: connection._read(1 << 20)  # frames or an HTTP/1 answer
        assert connection.is_closed()
        assert b"200" not in connection._received
    server.check_targets()


# --- which protocol is spoken where --------------------------------------------------------------

needs_sluice = pytest.mark.skipif(bool(OTHER_SERVER), reason="about Sluice's configuration")


@needs_sluice
def test_a_plain_listener_with_http2_still_speaks_http_1(server):
    with Client(server.port) as client:
        assert client.ask().status == 200
        client.send(h1_request("GET", "/", ("Connection", "Upgrade, HTTP2-Settings"),
                               ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")))
        assert client.response().status == 200, "no upgrade to HTTP/2 (RFC 9113 3.1)"


@needs_sluice
def test_the_target_gets_an_ordinary_request(server):
    with Connection.open(server.port) as connection:
        connection.handshake()
        connection.send(headers(1, request(
            ("cookie", "a=1"), ("te", "trailers"), ("x", "y"), ("cookie", "b=2"),
            path="/seen/../as?it=is", authority="Site.test:80")))
        answered(connection)
    got, = (each for each in server.target.requests if each.target == "/as?it=is")
    assert (got.method, got.value("Host"), got.value("X")) == ("GET", "Site.test:80", "y")
    assert got.value("Cookie") == "a=1; b=2"
    assert got.value("TE") is None


@needs_sluice
def test_a_listener_without_http2_refuses_its_preface(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    with proxy.client() as client:
        client.send(h2.PREFACE + settings())
        assert client.rest().startswith(b"HTTP/1.1 ")


@needs_sluice
@pytest.mark.parametrize("is_on, offered, chosen", [
    (True, ["h2", "http/1.1"], "h2"), (True, ["http/1.1"], "http/1.1"), (True, [], None),
    (False, ["h2", "http/1.1"], "http/1.1")])
def test_alpn_chooses_the_protocol(start_sluice, start_target, authority, certificate, is_on,
                                   offered, chosen):
    target = start_target(serve_body(BODY))
    secure = listener(tls=tls(certificate), http2=is_on)
    proxy = start_sluice({"listeners": [secure], "target_groups": [group("targets", target)]})
    context = authority.client_context(alpn=offered or None)
    with Client(proxy.port(), tls=context, server_name="site.test") as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert client.ask().status == 200
            return
        connection = Connection(client.socket).handshake()
        connection.send(headers(1, request(scheme="https")))
        answered(connection)
