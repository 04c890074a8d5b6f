"""Targets that speak HTTP/2, behind clients that speak HTTP/1.1."""

import signal
import subprocess
import threading
from concurrent import futures

import grpc
import pytest
from support.configuration import site
from support.h2_target import H2Target
from support.ports import free_port, is_free
from support.waiting import wait_until


@pytest.fixture
def start_h2_target():
    targets = []

    def start(answer, **options):
        targets.append(H2Target(answer, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.close()


@pytest.fixture
def start_program(tmp_path):
    programs = []

    def start(port, *command):
        with open(tmp_path / f"program-{port}.log", "wb") as log:
            programs.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait_until(lambda: not is_free(port), f"{command[0]} listens")
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        program.wait()


def towards(*targets, sections=None, **group):
    config = site(*targets, **(sections or {}))
    config["target_groups"][0].update({"protocol_version": "http2", **group})
    return config


def curl(proxy, path="/", *options, check=True):
    url = f"http://127.0.0.1:{proxy.port('web')}{path}"
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *options, url], capture_output=True,
                          check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def echo(connection, request):
    body = request.body or request.headers[":path"].encode()
    connection.respond(request, body=body, headers=[("x-method", request.headers[":method"])])


def many(proxy, count, path="/"):
    with futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(
            lambda _: curl(proxy, path, "-o", "/dev/null", "-w", "%{http_code}", check=False),
            range(count)))


def test_requests_follow_each_other_on_one_connection(start_sluice, start_h2_target):
    target = start_h2_target(echo)
    proxy = start_sluice(towards(target))
    for number in range(5):
        assert curl(proxy, f"/path?{number}") == f"/path?{number}".encode()
    assert len(target.connections) == 1
    lines = proxy.final_log()
    assert [line["status"] for line in lines] == [200] * 5


def test_ten_megabytes_pass_both_ways(start_sluice, start_h2_target, tmp_path):
    body = bytes(range(256)) * (10 * 4096)
    (tmp_path / "body").write_bytes(body)
    target = start_h2_target(echo)
    proxy = start_sluice(towards(target))
    assert curl(proxy, "/", "--data-binary", f"@{tmp_path / 'body'}") == body


def test_a_chunked_request_body_arrives_whole(start_sluice, start_h2_target, tmp_path):
    body = b"sluice" * 50_000
    (tmp_path / "body").write_bytes(body)
    target = start_h2_target(echo)
    proxy = start_sluice(towards(target))
    assert curl(proxy, "/", "-H", "Transfer-Encoding: chunked", "--data-binary",
                f"@{tmp_path / 'body'}") == body


def test_a_hundred_requests_at_a_time_share_few_connections(start_sluice, start_h2_target):
    waiting = []
    together = threading.Event()

    def answer(connection, request):
        waiting.append((connection, request))
        if len(waiting) == 40:
            together.set()
        together.wait(10)
        connection.respond(request, body=b"x")

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target))
    assert many(proxy, 40) == [b"200"] * 40
    assert len(target.connections) == 1
    assert target.most_streams >= 40


def test_a_target_that_takes_one_stream_at_a_time_gets_no_more(start_sluice, start_h2_target):
    target = start_h2_target(echo, max_concurrent_streams=1)
    proxy = start_sluice(towards(target))
    assert many(proxy, 20) == [b"200"] * 20
    assert target.requests == 20
    assert all(not each.resets for each in target.connections)


def test_our_own_limit_on_streams_holds(start_sluice, start_h2_target):
    release = threading.Event()

    def answer(connection, request):
        def later():
            release.wait(20)
            connection.respond(request, body=b"x")
        threading.Thread(target=later, daemon=True).start()

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, http2={"max_concurrent_streams": 2}))
    with futures.ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(curl, proxy) for _ in range(6)]
        wait_until(lambda: target.requests == 6, "all requests are at the target")
        release.set()
        assert [each.result() for each in answers] == [b"x"] * 6
    assert len(target.connections) == 3
    assert max(each.requests for each in target.connections) == 2


def test_goaway_loses_nothing(start_sluice, start_h2_target):
    """Streams that it names are answered; the others go to a new connection, whatever their method."""
    def answer(connection, request):
        if connection.requests == 1 and len(target.connections) == 1:
            return  # waits for the second
        if len(target.connections) == 1:
            connection.goaway(1)
            first.set()
            return
        connection.respond(request, body=b"second")

    first = threading.Event()
    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, retry={"budget": {"percent": 0, "burst": 0}}))
    with futures.ThreadPoolExecutor(2) as pool:
        waits = pool.submit(curl, proxy, "/first")
        wait_until(lambda: target.requests == 1, "the first request is there")
        moves = pool.submit(curl, proxy, "/second", "--data", "body of a POST")
        assert moves.result() == b"second"
        assert first.is_set()
        old = target.connections[0]
        old.respond(old._open[1], body=b"first")
        assert waits.result() == b"first"
    wait_until(old.is_over.is_set, "the old connection is closed")


def test_a_stream_that_is_reset_leaves_the_others_alone(start_sluice, start_h2_target):
    def answer(connection, request):
        if request.headers[":path"] == "/broken":
            connection.respond(request, body=b"part", headers=[("content-length", "100")],
                               ends=False)
            connection.reset(request)
        else:
            connection.respond(request, body=b"whole")

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target))
    assert curl(proxy, "/whole") == b"whole"
    assert curl(proxy, "/broken", check=False) == b"part"
    assert curl(proxy, "/whole") == b"whole"
    assert len(target.connections) == 1
    lines = proxy.final_log()
    assert [line.get("reason") for line in lines] == [None, "target_body_cut", None]


def test_a_client_that_leaves_cancels_its_stream_only(start_sluice, start_h2_target):
    def answer(connection, request):
        if request.headers[":path"] == "/whole":
            connection.respond(request, body=b"whole")

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target))
    curl(proxy, "/never", "--max-time", "1", check=False)
    wait_until(lambda: target.connections[0].resets, "the stream is reset")
    assert target.connections[0].resets == [8]  # CANCEL
    assert curl(proxy, "/whole") == b"whole"
    assert len(target.connections) == 1


def test_what_a_dead_connection_had_is_asked_again_on_a_new_one(start_sluice, start_h2_target):
    def answer(connection, request):
        if request.headers[":path"] == "/dies" and len(target.connections) == 1:
            connection.cut()
        else:
            echo(connection, request)

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target))
    assert curl(proxy, "/lives") == b"/lives"
    assert curl(proxy, "/dies") == b"/dies"
    assert len(target.connections) == 2


def test_a_target_that_falls_silent_is_found_out(start_sluice, start_h2_target):
    def answer(connection, request):
        with connection._lock:  # nothing is read, and no PING answered, until the end
            connection.is_over.wait(20)

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, http2={"ping_interval": "200ms", "ping_timeout": "300ms"},
                                 retry={"attempts": 0}))
    answered = curl(proxy, "/", "-o", "/dev/null", "-w", "%{http_code}")
    target.connections[0].is_over.set()
    assert answered == b"504"
    assert proxy.final_log()[-1]["reason"] == "target_ping_timeout"


# No PING by itself, and short waits for answers: what a test sees comes of the requests.
IMPATIENT = {"http2": {"ping_interval": "1h", "ping_timeout": "2s"}, "retry": {"attempts": 0},
             "timeouts": {"response_header": "2s"}}
STATUS = ("-o", "/dev/null", "-w", "%{http_code}")


def test_a_dead_connection_is_not_chosen_again_after_a_request_in_vain(start_sluice,
                                                                       start_h2_target):
    """With so little traffic that nothing waits when PING would be due by time."""
    def answer(connection, request):
        if request.headers[":path"] == "/freezes":
            with connection._lock:
                thaw.wait(60)
            return
        echo(connection, request)

    thaw = threading.Event()
    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, **IMPATIENT))
    try:
        assert curl(proxy, "/lives") == b"/lives"
        assert curl(proxy, "/freezes", *STATUS) == b"504"
        assert curl(proxy, "/lives") == b"/lives"
        assert len(target.connections) == 2
        # No PING was answered.
        proxy.wait_for_metric_value("sluice_target_connections", 1, target_group="targets")
    finally:
        thaw.set()


def test_a_connection_that_answers_ping_is_used_again(start_sluice, start_h2_target):
    def answer(connection, request):
        if request.headers[":path"] != "/never":
            echo(connection, request)

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, **IMPATIENT))
    assert curl(proxy, "/lives") == b"/lives"
    assert curl(proxy, "/never", *STATUS) == b"504"
    first = target.connections[0]
    wait_until(lambda: first.pings == 1, "it is asked whether it lives")
    before = first.requests
    wait_until(lambda: curl(proxy, "/lives") == b"/lives" and first.requests > before,
               "it takes requests again")
    assert not first.is_over.is_set()


def test_where_there_is_no_ping_a_connection_in_doubt_is_given_up(start_sluice, start_h2_target):
    def answer(connection, request):
        if request.headers[":path"] != "/never":
            echo(connection, request)

    target = start_h2_target(answer)
    proxy = start_sluice(towards(target, **{**IMPATIENT, "http2": {"ping_interval": "0"}}))
    assert curl(proxy, "/lives") == b"/lives"
    assert curl(proxy, "/never", *STATUS) == b"504"
    wait_until(target.connections[0].is_over.is_set, "it is closed")
    assert curl(proxy, "/lives") == b"/lives"
    assert len(target.connections) == 2


def test_a_process_that_is_stopped_and_goes_on(start_sluice, start_program, tmp_path):
    (tmp_path / "page").write_bytes(b"page")
    port = free_port()
    program = start_program(port, "nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(tmp_path),
                            str(port))
    proxy = start_sluice(towards(f"127.0.0.1:{port}", **IMPATIENT))
    assert curl(proxy, "/page") == b"page"
    program.send_signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            assert curl(proxy, "/page", *STATUS) == b"504"
        # The first is found dead, those after it never said a word.
        proxy.wait_for_metric_value("sluice_target_connections", 0, target_group="targets")
    finally:
        program.send_signal(signal.SIGCONT)
    assert curl(proxy, "/page") == b"page"


def refusing(connection, request):
    connection.reset(request, 7)  # REFUSED_STREAM


def test_what_is_refused_again_and_again_is_repeated_within_the_budget(start_sluice,
                                                                       start_h2_target):
    """The first repetition is free: a connection that ends in order costs no request."""
    target = start_h2_target(refusing)
    proxy = start_sluice(towards(target, retry={"attempts": 0,
                                                "budget": {"percent": 0, "burst": 2}}))
    assert curl(proxy, "/", *STATUS) == b"502"
    assert target.requests == 1 + 1 + 2
    assert curl(proxy, "/", *STATUS) == b"502"
    assert target.requests == 4 + 1 + 1
    proxy.wait_for_metric_value("sluice_target_retry_budget_exhausted_total", 2,
                                target_group="targets")


def test_a_target_of_http1_is_told_apart(start_sluice, start_target):
    target = start_target(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    proxy = start_sluice(towards(target, retry={"attempts": 0}))
    assert curl(proxy, "/", "-o", "/dev/null", "-w", "%{http_code}") == b"502"


def test_ten_megabytes_of_nghttpd(start_sluice, start_program, tmp_path):
    (tmp_path / "page").write_bytes(b"p" * 10_000_000)
    port = free_port()
    start_program(port, "nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(tmp_path),
                  str(port))
    proxy = start_sluice(towards(f"127.0.0.1:{port}"))
    assert curl(proxy, "/page") == b"p" * 10_000_000


def test_nghttpd_over_tls(start_sluice, start_program, tmp_path, certificate):
    (tmp_path / "page").write_bytes(b"page")
    port = free_port()
    files = certificate.as_config()
    start_program(port, "nghttpd", "-a", "127.0.0.1", "-d", str(tmp_path), str(port),
                  str(certificate.key), str(certificate.cert))
    proxy = start_sluice(towards(f"127.0.0.1:{port}", protocol="https", tls={"verify": False}))
    assert curl(proxy, "/page") == b"page"


def test_the_limit_on_requests_of_nginx_loses_nothing(start_sluice, start_program, tmp_path):
    port = free_port()
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {tmp_path}/pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
  fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  server {{ listen 127.0.0.1:{port} http2; keepalive_requests 10; return 200 "nginx"; }}
}}
""")
    start_program(port, "nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path))
    proxy = start_sluice(towards(f"127.0.0.1:{port}"))
    for _ in range(3):
        assert many(proxy, 20) == [b"200"] * 20


class Health(grpc.GenericRpcHandler):
    """grpc.health.v1, by hand: the messages are two fields."""

    def __init__(self):
        self.status = 1

    def service(self, details):
        if details.method != "/grpc.health.v1.Health/Check":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, _: bytes([8, self.status]))


@pytest.fixture
def grpc_server():
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.health = Health()
    server.add_generic_rpc_handlers((server.health,))
    server.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield server
    server.stop(None).wait()


CHECKS = {"interval": "200ms", "timeout": "150ms", "healthy_threshold": 2, "unhealthy_threshold": 2}


def test_the_health_service_of_grpc_decides(start_sluice, grpc_server):
    proxy = start_sluice(towards(f"127.0.0.1:{grpc_server.port}", protocol_version="grpc",
                                 health_check={**CHECKS, "service": "any"}))
    proxy.wait_for_metric_value("sluice_targets", 1, state="healthy")
    grpc_server.health.status = 2
    proxy.wait_for_metric_value("sluice_targets", 1, state="unhealthy")


def test_a_method_that_nobody_has_is_the_usual_check(start_sluice, grpc_server):
    proxy = start_sluice(towards(f"127.0.0.1:{grpc_server.port}", protocol_version="grpc",
                                 health_check=CHECKS))
    proxy.wait_for_metric_value("sluice_targets", 1, state="healthy")


def test_a_group_of_http2_is_checked_over_http2(start_sluice, start_h2_target):
    target = start_h2_target(echo)
    proxy = start_sluice(towards(target, health_check={**CHECKS, "path": "/health",
                                                       "body_match": "^/health$"}))
    proxy.wait_for_metric_value("sluice_targets", 1, state="healthy")
    assert target.requests >= 1
