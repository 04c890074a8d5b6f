// What choosing a rule costs, by the number of rules: their kinds are mixed, and requests that
// decide for any of them, or for none, are asked in turn. The cost should not depend on the number.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "sluice/config/load.h"
#include "sluice/route/table.h"

namespace {

using namespace sluice;

constexpr std::size_t kinds = 10;

// Rule n, without the braces.
std::string condition(std::size_t n) {
  const std::string number = std::to_string(n);
  switch (n % kinds) {
    case 0: return "host: shop-" + number + ".example.com";
    case 1: return "host: \"*.tenant-" + number + ".example.com\"";
    case 2: return "path: /exact/" + number;
    case 3: return "path_prefix: /service-" + number + "/api";
    case 4: return "path: \"/files-" + number + "/*.pdf\"";
    case 5: return "path_regex: \"^/orders/[0-9]+/part-" + number + "$\"";
    case 6: return "header: { name: X-Tenant, values: tenant-" + number + " }";
    case 7: return "query: { key: campaign, value: c" + number + " }";
    case 8: return "cookie: { name: session-group, values: g" + number + " }";
    default:
      return "source_ip: 10." + std::to_string(n / 256 % 256) + "." + std::to_string(n % 256) +
             ".0/24";
  }
}

struct Sent {
  std::string host = "www.example.com";
  std::string path = "/start/page.html";
  std::string query = "page=2&sort=name";
  std::string tenant = "none";
  std::string cookie = "theme=dark";
  std::string client = "192.0.2.1";
};

// The i-th request of all that are asked. What no rule looks at differs from one to the next, as
// it does among real requests, so that a processor cannot learn the few of a small table by heart.
Sent any_request(std::size_t i) {
  Sent sent;
  const std::string number = std::to_string(i * 7'919);
  sent.path = "/start/" + number.substr(0, i % 5) + "/page-" + number + ".html";
  sent.query = "page=" + number + "&sort=name";
  sent.cookie = "theme=dark; last=" + number;
  sent.client = "192.0." + std::to_string(i % 7) + "." + std::to_string(i % 256);
  return sent;
}

// A request that rule n takes.
Sent request_for(std::size_t n, std::size_t i) {
  Sent sent = any_request(i);
  const std::string number = std::to_string(n);
  switch (n % kinds) {
    case 0: sent.host = "shop-" + number + ".example.com"; break;
    case 1: sent.host = "www.tenant-" + number + ".example.com"; break;
    case 2: sent.path = "/exact/" + number; break;
    case 3: sent.path = "/service-" + number + "/api/items/" + std::to_string(i); break;
    case 4: sent.path = "/files-" + number + "/a/report-" + std::to_string(i) + ".pdf"; break;
    case 5: sent.path = "/orders/4711/part-" + number; break;
    case 6: sent.tenant = "tenant-" + number; break;
    case 7: sent.query = "page=2&campaign=c" + number; break;
    case 8: sent.cookie = "theme=dark; session-group=g" + number; break;
    default:
      sent.client = "10." + std::to_string(n / 256 % 256) + "." + std::to_string(n % 256) + ".7";
  }
  return sent;
}

struct Request {
  explicit Request(Sent text) : sent(std::move(text)) {
    head.host = sent.host;
    head.path = sent.path;
    head.method_text = "GET";
    head.query = sent.query;
    head.fields.add("Host", sent.host);
    head.fields.add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0");
    head.fields.add("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    head.fields.add("Accept-Encoding", "gzip, deflate, br");
    head.fields.add("X-Tenant", sent.tenant);
    head.fields.add("Cookie", sent.cookie);
    input.client = base::IpAddress::parse(sent.client).value();
  }
  Sent sent;
  http::RequestHead head;
  route::MatchInput input{.head = head};
};

std::optional<route::Table> build(std::size_t rules) {
  std::string text = "listeners:\n  - name: web\n    bind: \"127.0.0.1:80\"\n    rules:\n";
  for (std::size_t n = 0; n < rules; ++n) {
    text += "      - { priority: " + std::to_string(n + 1) + ", conditions: [ { " + condition(n) +
            " } ], action: { fixed_response: { status: 200 } } }\n";
  }
  config::Problems problems;
  const auto model = config::load_text(text, "bench.yaml", problems);
  if (!model) return std::nullopt;
  return route::Table::build(model->listeners[0], route::GroupLookup({}), problems);
}

std::vector<std::unique_ptr<Request>> requests(std::size_t rules) {
  constexpr std::size_t count =
      1'000;  // the same for every number of rules; one in eleven meets none
  std::vector<std::unique_ptr<Request>> made;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t block = (i * 7'919 / kinds) % (rules / kinds);
    made.push_back(std::make_unique<Request>(
        i % 11 == 0 ? any_request(i) : request_for(block * kinds + i % kinds, i)));
  }
  return made;
}

void match(benchmark::State& state) {
  const auto rules = static_cast<std::size_t>(state.range(0));
  // First, so that they are not spread over what building the table leaves behind.
  const auto asked = requests(rules);
  const auto table = build(rules);
  if (!table) return state.SkipWithError("the rules are wrong");
  std::size_t next = 0;
  std::size_t decided = 0;
  for (auto _ : state) {
    decided += table->match(asked[next]->input).priority != 0;
    next = next + 1 == asked.size() ? 0 : next + 1;
  }
  state.counters["decided"] =
      static_cast<double>(decided) / static_cast<double>(state.iterations());
}
BENCHMARK(match)->Arg(10)->Arg(100)->Arg(1'000)->Arg(10'000);

// With reading the text, and warnings about rules that cannot be reached.
void build_table(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(build(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(build_table)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
