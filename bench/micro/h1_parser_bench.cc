// What a head costs to parse and to write. The heads are those of `wrk`, of a browser and of an
// ordinary origin; the budget of a whole proxied request is 11 us, of which a head of eight fields
// may take 0.7.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "sluice/http/h1_parser.h"
#include "sluice/http/h1_writer.h"

namespace {

using namespace sluice::http;

constexpr HeadLimits limits{16384, 16384, 65536, 100};

constexpr std::string_view smallest_request =
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "\r\n";

constexpr std::string_view eight_field_request =
    "GET /api/v1/orders/4711?expand=items&page=2 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "Referer: https://shop.example.com/orders\r\n"
    "Cookie: session=5f2b9c1e7a3d4e6f8a9b0c1d2e3f4a5b; theme=dark\r\n"
    "\r\n";

constexpr std::string_view rewritten_path_request =
    "GET /a/./b/../c//d/%7euser/%C3%a9?x=1 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "\r\n";

constexpr std::string_view ordinary_response =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx\r\n"
    "Date: Mon, 03 Aug 2026 10:00:00 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 128\r\n"
    "Connection: keep-alive\r\n"
    "ETag: \"66ae0b5c-80\"\r\n"
    "\r\n";

// Stops the program instead of timing failures.
void require(bool holds) {
  if (!holds) std::abort();
}

void parse_request(benchmark::State& state, std::string_view text) {
  H1Parser parser(limits);
  RequestHead head;
  for (auto _ : state) {
    parser.reset();
    require(parser.parse(sluice::base::as_bytes(text), head) == Progress::complete);
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void parse_response(benchmark::State& state, std::string_view text) {
  H1Parser parser(limits);
  ResponseHead head;
  for (auto _ : state) {
    parser.reset();
    require(parser.parse(sluice::base::as_bytes(text), head, Method::get) == Progress::complete);
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void write_request(benchmark::State& state, std::string_view text) {
  H1Parser parser(limits);
  RequestHead head;
  require(parser.parse(sluice::base::as_bytes(text), head) == Progress::complete);
  std::array<char, 4096> buffer;
  for (auto _ : state) {
    H1Writer writer(buffer);
    writer.request_line(head.method_text, head.path, head.query, head.has_query);
    for (const Field& field : head.fields) {
      if (!is_hop_by_hop(field.known)) writer.trusted_field(field.name, field.value);
    }
    writer.end_head();
    require(!writer.overflowed());
    benchmark::DoNotOptimize(buffer);
  }
}

BENCHMARK_CAPTURE(parse_request, smallest, smallest_request);
BENCHMARK_CAPTURE(parse_request, eight_fields, eight_field_request);
BENCHMARK_CAPTURE(parse_request, rewritten_path, rewritten_path_request);
BENCHMARK_CAPTURE(parse_response, ordinary, ordinary_response);
BENCHMARK_CAPTURE(write_request, eight_fields, eight_field_request);

}  // namespace
