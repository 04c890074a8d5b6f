// What one request pays for being seen: its access log line, its counters, its histograms.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "observe/access_log_format.h"
#include "sluice/observe/access_log.h"
#include "sluice/observe/metrics.h"

namespace {

using namespace sluice;
using namespace std::chrono_literals;

observe::AccessRecord typical() {
  observe::AccessRecord record;
  record.time = base::Wall::now();
  record.client_address = "198.51.100.23";
  record.client_port = 51234;
  record.listener = "web-tls";
  record.scheme = "https";
  record.method = "GET";
  record.host = "www.example.org";
  record.target = "/api/v1/items/4711?page=2&sort=name";
  record.protocol = "HTTP/1.1";
  record.status = 200;
  record.request_bytes = 612;
  record.response_bytes = 18234;
  record.rule = "api";
  record.target_group = "api";
  record.target_address = "10.0.1.11:8080";
  record.target_status = 200;
  record.tries = 1;
  record.target_connection_reused = true;
  record.request_id = "Root=1-67e1f0a2-0123456789abcdef01234567";
  record.user_agent =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 "
      "Safari/537.36";
  record.referer = "https://www.example.org/start/page.html";
  record.tls_protocol = "TLSv1.3";
  record.tls_cipher = "TLS_AES_128_GCM_SHA256";
  record.sni = "www.example.org";
  record.header_time = 21us;
  record.connect_time = 0ns;
  record.response_time = 1234567ns;
  record.total_time = 1345678ns;
  return record;
}

template <typename FormatLine>
void format_lines(benchmark::State& state, FormatLine format_line) {
  observe::AccessRecord record = typical();
  observe::LineFormatter formatter;
  const auto buffer = std::make_unique<char[]>(observe::longest_line);
  for (auto _ : state) {
    record.time += 13us;  // as at 77,000 requests a second
    benchmark::DoNotOptimize(record);
    benchmark::DoNotOptimize(format_line(formatter, record, buffer.get()));
    benchmark::ClobberMemory();
  }
}

void json_line(benchmark::State& state) {
  format_lines(state, [](auto& formatter, const auto& record, char* out) {
    return formatter.json(record, out);
  });
}
BENCHMARK(json_line);

void combined_line(benchmark::State& state) {
  format_lines(state, [](auto& formatter, const auto& record, char* out) {
    return formatter.combined(record, out);
  });
}
BENCHMARK(combined_line);

// The whole of it, the writer thread's work included (/dev/null: without the file system's).
void append_json(benchmark::State& state) {
  observe::Registry registry;
  observe::AccessLogWriter writer(registry);
  config::AccessLog settings;
  settings.path = "/dev/null";
  settings.buffer_bytes =
      64 * config::mebibyte;  // this loop leaves the writer no time, a proxy would
  if (!writer.reconfigure(settings).empty()) return state.SkipWithError("cannot open /dev/null");
  observe::AccessLog log(writer, registry.add_cells());
  log.set_format(config::AccessLogFormat::json, true);
  observe::AccessRecord record = typical();
  for (auto _ : state) {
    record.time += 13us;
    benchmark::DoNotOptimize(record);
    log.append(record);
  }
  state.counters["dropped"] = registry.sum(observe::Metric::access_log_dropped_total);
}
BENCHMARK(append_json)->MeasureProcessCPUTime();

void counter_add(benchmark::State& state) {
  observe::Counter counter;
  benchmark::DoNotOptimize(&counter);
  for (auto _ : state) {
    counter.add();
    benchmark::ClobberMemory();
  }
}
BENCHMARK(counter_add);

// Durations whose logarithm is spread evenly from 16 microseconds to 1 second, so that no branch
// predictor learns them.
std::vector<std::chrono::nanoseconds> durations() {
  std::mt19937_64 random(7);
  std::vector<std::chrono::nanoseconds> result(std::size_t{1} << 16);
  for (auto& duration : result) {
    const std::uint64_t bits = 14 + random() % 16;
    duration = std::chrono::nanoseconds((std::int64_t{1} << bits) +
                                        static_cast<std::int64_t>(random() & ((1ULL << bits) - 1)));
  }
  return result;
}

void histogram_record(benchmark::State& state) {
  observe::Histogram histogram;
  const auto values = durations();
  std::size_t next = 0;
  for (auto _ : state) {
    histogram.record(values[next++ % values.size()]);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(histogram_record);

// What `Histogram::record` is compared with: the obvious way to find the bucket.
struct ScanningHistogram {
  std::array<std::uint64_t, observe::Histogram::upper_bounds_seconds.size()> bounds{};
  std::array<std::atomic<std::uint64_t>, observe::Histogram::bucket_count> buckets{};
  std::atomic<std::uint64_t> sum{0};

  [[gnu::noinline]] void record(std::chrono::nanoseconds duration) {
    const auto value = static_cast<std::uint64_t>(std::max(duration, 0ns).count());
    std::size_t index = 0;
    while (index < bounds.size() && value > bounds[index]) ++index;
    add(buckets[index], 1);
    add(sum, value);
  }
  static void add(std::atomic<std::uint64_t>& cell, std::uint64_t amount) {
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

void histogram_scan(benchmark::State& state) {
  ScanningHistogram histogram;
  benchmark::DoNotOptimize(&histogram);
  for (std::size_t i = 0; i < histogram.bounds.size(); ++i) {
    histogram.bounds[i] =
        static_cast<std::uint64_t>(observe::Histogram::upper_bounds_seconds[i] * 1e9 + 0.25);
  }
  const auto values = durations();
  std::size_t next = 0;
  for (auto _ : state) {
    histogram.record(values[next++ % values.size()]);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(histogram_scan);

void render_a_thousand_series(benchmark::State& state) {
  observe::Registry registry;
  for (int worker = 0; worker < 4; ++worker) {
    observe::Cells& cells = registry.add_cells();
    for (int group = 0; group < 50; ++group) {
      cells.histogram(observe::Metric::target_response_seconds, {"group-" + std::to_string(group)})
          .record(1ms);
    }
  }
  for (auto _ : state) benchmark::DoNotOptimize(registry.render());
}
BENCHMARK(render_a_thousand_series)->Unit(benchmark::kMicrosecond);

}  // namespace
