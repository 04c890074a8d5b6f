"""Programs that others wrote: curl as the client, nginx as the target."""

import subprocess

import pytest

from support import configuration
from support.configuration import listener, site
from support.ports import free_port
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_until

BIG = bytes(range(256)) * 4096  # 1 MiB


def curl(*arguments):
    return subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(PATIENCE),
                           *map(str, arguments)],
                          capture_output=True, timeout=2 * PATIENCE, check=False)


@pytest.fixture
def nginx(tmp_path):
    """A real web server on loopback, in the foreground, with all its files in the test's folder."""
    folder = tmp_path / "nginx"
    (folder / "www" / "upload").mkdir(parents=True)
    (folder / "www" / "index.html").write_text("hello from nginx\n")
    (folder / "www" / "big.bin").write_bytes(BIG)
    folder.chmod(0o755)
    port = free_port()
    (folder / "nginx.conf").write_text(f"""\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 100m;
  types {{ text/html html; }}
  default_type application/octet-stream;
  absolute_redirect off;
  gzip on; gzip_min_length 1; gzip_types application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location /upload/ {{ dav_methods PUT DELETE; }}
    location /moved {{ return 301 /index.html; }}
    location /gone {{ return 410; }}
    location /nothing {{ return 204; }}
    location /echo-headers {{ return 200 "$http_x_forwarded_for|$http_x_forwarded_proto|$host"; }}
  }}
}}
""")
    server = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def answers():
        assert server.poll() is None, server.stderr.read().decode()
        return curl(f"http://127.0.0.1:{port}/").returncode == 0

    try:
        wait_until(answers, "nginx answers")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture
def urls(start_sluice, nginx, authority, certificate):
    """Both schemes in front of nginx: `get(path, scheme, *options)` is curl's output."""
    config = site(nginx)
    config["listeners"].append(listener("secure", tls=configuration.tls(certificate)))
    proxy = start_sluice(config)

    def get(path, scheme, *options):
        name = "web" if scheme == "http" else "secure"
        port = proxy.port(name)
        return curl("--cacert", authority.cert, "--resolve", f"site.test:{port}:127.0.0.1", *options,
                    f"{scheme}://site.test:{port}{path}")

    get.proxy = proxy
    return get


both_schemes = pytest.mark.parametrize("scheme", ["http", "https"])


@both_schemes
def test_a_page_of_nginx_reaches_curl(urls, scheme):
    result = urls("/", scheme, "--dump-header", "-")
    assert result.returncode == 0, result.stderr
    head, _, body = result.stdout.partition(b"\r\n\r\n")
    assert body == b"hello from nginx\n"
    assert b"HTTP/1.1 200 OK" in head
    assert b"Server: nginx" in head


@both_schemes
def test_a_large_file_arrives_unchanged(urls, scheme):
    result = urls("/big.bin", scheme)
    assert result.stdout == BIG


@both_schemes
def test_a_compressed_and_chunked_answer_arrives(urls, scheme):
    result = urls("/big.bin", scheme, "--compressed", "--write-out", "%{stderr}%{size_download}")
    assert result.stdout == BIG
    assert int(result.stderr) < len(BIG)


@both_schemes
def test_an_upload_is_stored(urls, scheme, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(BIG)
    result = urls("/upload/stored.bin", scheme, "-T", source, "--write-out", "%{http_code}")
    assert result.stdout == b"201"
    assert (tmp_path / "nginx" / "www" / "upload" / "stored.bin").read_bytes() == BIG


def test_an_upload_with_expect_waits_for_the_proxys_100(urls, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(BIG)
    # curl would wait for the 100 longer than it may run at all.
    result = urls("/upload/expected.bin", "http", "-T", source, "-H", "Expect: 100-continue",
                  "--expect100-timeout", str(10 * PATIENCE), "--verbose")
    assert result.returncode == 0, result.stderr
    assert b"< HTTP/1.1 100 Continue" in result.stderr
    assert b"< HTTP/1.1 201 Created" in result.stderr
    assert (tmp_path / "nginx" / "www" / "upload" / "expected.bin").read_bytes() == BIG


def test_a_chunked_upload_from_a_pipe_is_stored(urls, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(BIG)
    result = urls("/upload/chunked.bin", "http", "-T", source, "-H", "Transfer-Encoding: chunked",
                  "--write-out", "%{http_code}")
    assert result.stdout == b"201"
    assert (tmp_path / "nginx" / "www" / "upload" / "chunked.bin").read_bytes() == BIG


@both_schemes
def test_http_1_0_is_spoken(urls, scheme):
    assert urls("/", scheme, "--http1.0").stdout == b"hello from nginx\n"
    assert urls("/big.bin", scheme, "--http1.0", "--compressed").stdout == BIG


@both_schemes
def test_head_shows_the_head_only(urls, scheme):
    result = urls("/big.bin", scheme, "--head")
    assert result.returncode == 0
    assert f"Content-Length: {len(BIG)}".encode() in result.stdout


def test_many_urls_share_one_connection(urls):
    port = urls.proxy.port()
    result = urls("/", "http", "--write-out", "%{num_connects}\n",
                  *[f"http://site.test:{port}{path}" for path in ["/", "/gone", "/nothing", "/"]])
    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if line.isdigit()] == [
        b"1", b"0", b"0", b"0", b"0"]


def test_redirects_of_the_target_pass_and_can_be_followed(urls):
    result = urls("/moved", "http", "--location", "--write-out", "%{num_redirects}")
    assert result.stdout == b"hello from nginx\n1"


@both_schemes
def test_nginx_learns_who_asked_and_how(urls, scheme):
    result = urls("/echo-headers", scheme)
    assert result.stdout == f"127.0.0.1|{scheme}|site.test".encode()


def test_a_tls_client_verifies_the_chain(urls, tmp_path, authority):
    port = urls.proxy.port("secure")
    result = curl("--resolve", f"other.test:{port}:127.0.0.1", "--cacert", authority.cert,
                  f"https://other.test:{port}/")
    assert result.returncode == 60, "the default certificate is for another name"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_speaks_both_tls_versions(urls, version):
    result = urls("/", "https", f"--tlsv{version}", "--tls-max", version)
    assert result.stdout == b"hello from nginx\n"


def test_requests_in_parallel_are_all_answered(start_sluice, start_target):
    target = start_target(serve(lambda received: response(received.target.encode())))
    proxy = start_sluice(site(target, workers=2))
    result = curl("--parallel", "--parallel-immediate", "--parallel-max", "20",
                  f"http://127.0.0.1:{proxy.port()}/[1-100]")
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.decode().split("/")[1:], key=int) == [str(n) for n in range(1, 101)]


def test_a_target_that_is_down_is_told_to_curl(start_sluice):
    proxy = start_sluice(site(f"127.0.0.1:{free_port()}"))
    result = curl("--write-out", "%{http_code}", "-o", "/dev/null",
                  f"http://127.0.0.1:{proxy.port()}/")
    assert result.stdout == b"502"


def test_curl_sees_a_truncated_body_as_an_error(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    proxy = start_sluice(site(start_target(script)))
    result = curl(f"http://127.0.0.1:{proxy.port()}/")
    assert result.returncode in (18, 56), "a partial file"


def test_an_ipv6_listener_is_reachable(start_sluice, start_target):
    port = free_port()
    config = site(start_target(serve_body(b"six")))
    config["listeners"].append(listener("six", bind=f"[::1]:{port}"))
    start_sluice(config)
    assert curl(f"http://[::1]:{port}/").stdout == b"six"
