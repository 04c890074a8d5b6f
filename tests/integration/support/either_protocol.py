"""One request over HTTP/1.1 or HTTP/2, whichever a test is asked for: what rules do is the same."""

from support import h2_raw as h2
from support.client import request

PROTOCOLS = ("HTTP/1.1", "HTTP/2")


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields  # (name in lower case, value)
        self.body = body

    def value(self, name):
        return dict(self.fields).get(name.lower())


def exchange(proxy, protocol, method="GET", target="/", body=None, listener="web"):
    """On a connection of its own, which is closed then."""
    if protocol == "HTTP/1.1":
        with proxy.client(listener) as client:
            client.send(request(method, target, body=body))
            answer = client.response(method)
        return Answer(answer.status, [(name.lower(), value) for name, value in answer.fields],
                      answer.body)
    large = h2.settings((h2.INITIAL_WINDOW_SIZE, 2**31 - 1)) + h2.window_update(0, 2**30)
    with h2.Connection.open(proxy.port(listener), first=large) as connection:
        flags = h2.END_HEADERS | (h2.END_STREAM if body is None else 0)
        fields = [] if body is None else [("content-length", str(len(body)))]
        connection.send(h2.headers(1, h2.request(*fields, method=method, path=target), flags))
        if body is not None:
            for at in range(0, len(body), 16_384):
                connection.send(h2.data(1, body[at:at + 16_384]))
            connection.send(h2.data(1, b"", h2.END_STREAM))
        stream = connection.stream(1)
        connection.read_until(lambda: stream.ended or stream.reset is not None)
        return Answer(stream.status, stream.heads[-1], stream.content)
