// Counters, gauges and histograms: per-worker cells that one thread writes and a scrape sums.
//
// A worker asks its `Cells` once for the cell of a metric with given label values, keeps the
// reference and adds to it with relaxed stores: no look-up, no lock, no read-modify-write
// instruction on the data path. Cells live as long as the registry, or as long as they are held, so
// a reload that keeps a name keeps its counters. `Registry::render` sums over all Cells into
// Prometheus text (prometheus-cpp's serializer). The list of all families, with help and label
// names, is the constant array in src/observe/families.cc.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::observe {

// Written by one thread, read by any.
class Counter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Written by one thread, read by any. May fall below zero between two workers, never in the sum.
class Gauge {
 public:
  void add(std::int64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Latencies in fixed buckets, from 50 microseconds to 60 seconds; sum in nanoseconds.
class Histogram {
 public:
  static constexpr std::array<double, 18> upper_bounds_seconds = {
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
      0.05,    0.1,    0.25,    0.5,    1,     2.5,    5,     10,   60};
  static constexpr std::size_t bucket_count = upper_bounds_seconds.size() + 1;

  void record(std::chrono::nanoseconds value);
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const {
    return buckets_[index].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t sum_nanoseconds() const {
    return sum_.load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, bucket_count> buckets_{};
  std::atomic<std::uint64_t> sum_{0};
};

// One per family in families.cc, in the same order. Labels in brackets.
enum class Metric : std::uint8_t {
  // counters
  requests_total,               // {listener, rule, target_group, code_class} code_class: 1xx..5xx
  exchange_ends_total,          // {reason}
  request_bytes_total,          // {listener} received from clients, heads included
  response_bytes_total,         // {listener} sent to clients, heads included
  target_requests_total,        // {target_group, code_class} answers received from targets
  target_sent_bytes_total,      // {target_group}
  target_received_bytes_total,  // {target_group}
  target_retries_total,         // {target_group, reason} why the try before it failed
  target_retry_budget_exhausted_total,  // {target_group}
  target_hedges_total,                  // {target_group, result} result: won | lost
  target_fail_open_requests_total,      // {target_group}
  target_state_changes_total,           // {target_group, state} into that state
  target_ejections_total,               // {target_group, reason} a StateReason
  health_checks_total,                  // {target_group, result} result: success | failure
  sticky_requests_total,                // {target_group, result}
  rule_sticky_requests_total,           // {listener, rule, result} of group stickiness
  compressed_answers_total,             // {listener, coding} coding: gzip | br | zstd | skipped
  compression_input_bytes_total,        // {listener}
  compression_output_bytes_total,       // {listener}
  tunnels_total,                        // {target_group}
  tunnel_ends_total,                    // {target_group, reason} "-" for an orderly end
  tunnel_bytes_total,                 // {target_group, direction} direction: to_target | to_client
  target_connections_opened_total,    // {target_group}
  target_connections_reused_total,    // {target_group}
  target_connection_errors_total,     // {target_group, reason}
  target_tls_handshakes_total,        // {target_group, resumed} resumed: yes | no
  client_connections_total,           // {listener}
  client_connections_rejected_total,  // {listener, reason}
  tls_handshakes_total,               // {listener, version, resumed} resumed: yes | no
  tls_handshake_failures_total,       // {listener, reason}
  rate_limit_requests_total,          // {listener, rule, limit, result} result: admitted | refused
  rate_limit_evictions_total,         // {listener, rule, limit}
  desync_requests_total,              // {classification, classification_reason}
  access_log_lines_total,             // {}
  access_log_dropped_total,           // {}
  config_reloads_total,               // {result} result: success | failure
  events_total,                       // {reason} connection-level reasons
  jwks_fetches_total,                 // {jwks, result} jwks: URL; result: success | failure
  discovery_looks_total,              // {target_group, source, result} success | empty | failure
  discovery_refused_addresses_total,  // {target_group, source}
  jwt_cache_total,                    // {result} hit | miss
  basic_auth_cache_total,             // {result} hit | miss
  forward_auth_requests_total,        // {target_group, result} as proxy::ForwardAuthCells
  mirrored_requests_total,            // {target_group, result} as proxy::MirrorCells
  // gauges
  client_connections,                        // {listener}
  client_connections_idle,                   // {listener}
  target_connections,                        // {target_group} open
  target_connections_idle,                   // {target_group}
  target_active_requests,                    // {target_group}
  targets,                                   // {target_group, state}
  targets_ejected,                           // {target_group}
  target_queue_requests,                     // {target_group}
  tunnels,                                   // {target_group}
  config_last_reload_success,                // {} 1 or 0
  config_last_reload_timestamp_seconds,      // {}
  config_revision,                           // {}
  start_time_seconds,                        // {}
  workers,                                   // {}
  certificate_expiry_timestamp_seconds,      // {listener, certificate} certificate: its file's name
  jwks_last_success_timestamp_seconds,       // {jwks}
  jwks_keys,                                 // {jwks}
  basic_auth_waiting,                        // {}
  discovery_last_success_timestamp_seconds,  // {target_group, source}
  discovery_targets,                         // {target_group, source}
  discovery_held,                            // {target_group, source} 1: kept without an answer
  // histograms
  request_duration_seconds,  // {listener, target_group}
  added_latency_seconds,     // {listener} total less the time that target and client took
  target_response_seconds,   // {target_group} request sent to answer's head
  target_connect_seconds,    // {target_group}
  target_queue_seconds,      // {target_group}
  health_check_seconds,      // {target_group}
  tls_handshake_seconds,     // {listener}
  last_ = tls_handshake_seconds,
};

using LabelValues = std::initializer_list<std::string_view>;

class Cells;

// A counter that its last holder takes along: names that come and go with each reload would fill
// memory and scrapes for ever. Used, moved and destroyed on the thread of its Cells, which must
// outlive it.
class HeldCounter {
 public:
  HeldCounter() = default;
  HeldCounter(HeldCounter&& other) noexcept { *this = std::move(other); }
  HeldCounter& operator=(HeldCounter&& other) noexcept;
  ~HeldCounter() { release(); }

  // Not of one that is empty or was moved from.
  [[nodiscard]] Counter* operator->() const { return counter_; }

 private:
  friend class Cells;
  void release();

  Cells* cells_ = nullptr;  // null: empty
  Counter* counter_ = nullptr;
  const std::vector<std::string>* labels_ = nullptr;
  Metric metric_{};
};

// The cells of one thread. `counter` and its like may be called at any time from that thread; they
// lock and allocate, so they belong to set-up (a View being built), never to an exchange. A metric
// asked with the wrong type or number of labels is a programming error (assert).
class Cells {
 public:
  Cells();
  ~Cells();
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;

  [[nodiscard]] Counter& counter(Metric metric, LabelValues labels = {});
  [[nodiscard]] Gauge& gauge(Metric metric, LabelValues labels = {});
  [[nodiscard]] Histogram& histogram(Metric metric, LabelValues labels = {});

  // The same cell for all holders of the same labels. When the last of them goes, the series is
  // shown until 256 others have left after it; a holder that comes by then goes on with its value,
  // a later one begins at 0. One that `counter` was asked for stays.
  [[nodiscard]] HeldCounter hold_counter(Metric metric, LabelValues labels);
  // The series of a gauge whose subject is gone is shown no more. Nobody may use its cell again.
  void forget_gauge(Metric metric, LabelValues labels);

 private:
  friend class HeldCounter;
  friend class Registry;
  struct Store;
  std::unique_ptr<Store> store_;
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A new set of cells for a thread; lives as long as the registry. Any thread.
  [[nodiscard]] Cells& add_cells();

  // Prometheus text format 0.0.4. Any thread; never stops a writer.
  [[nodiscard]] std::string render() const;

  // The sum over all cells and label values that start with the given ones; for /v1/status and
  // tests. Of a histogram: the number of observations.
  [[nodiscard]] double sum(Metric metric, LabelValues labels = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::observe
