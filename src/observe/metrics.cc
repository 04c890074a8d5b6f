#include "sluice/observe/metrics.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <sstream>
#include <tuple>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "observe/families.h"

namespace sluice::observe {

// --- the families -------------------------------------------------------------------------------
namespace {

template <std::size_t count>
using Names = std::array<std::string_view, count>;

constexpr Names<2> by_listener_and_certificate = {"listener", "certificate"};
constexpr Names<4> by_route = {"listener", "rule", "target_group", "code_class"};
constexpr Names<1> by_reason = {"reason"};
constexpr Names<1> by_listener = {"listener"};
constexpr Names<2> by_listener_and_reason = {"listener", "reason"};
constexpr Names<2> by_listener_and_coding = {"listener", "coding"};
constexpr Names<3> by_handshake = {"listener", "version", "resumed"};
constexpr Names<1> by_group = {"target_group"};
constexpr Names<2> by_group_and_class = {"target_group", "code_class"};
constexpr Names<2> by_group_and_reason = {"target_group", "reason"};
constexpr Names<2> by_group_and_resumed = {"target_group", "resumed"};
constexpr Names<2> by_group_and_result = {"target_group", "result"};
constexpr Names<2> by_group_and_state = {"target_group", "state"};
constexpr Names<2> by_group_and_direction = {"target_group", "direction"};
constexpr Names<1> by_result = {"result"};
constexpr Names<4> by_limit_and_result = {"listener", "rule", "limit", "result"};
constexpr Names<3> by_limit = {"listener", "rule", "limit"};
constexpr Names<2> by_classification_and_reason = {"classification", "classification_reason"};
constexpr Names<1> by_jwks = {"jwks"};
constexpr Names<2> by_jwks_and_result = {"jwks", "result"};
constexpr Names<3> by_rule_and_result = {"listener", "rule", "result"};
constexpr Names<2> by_listener_and_group = {"listener", "target_group"};

// Documented, row for row, in docs/metrics.md; a test compares the two.
constexpr std::array<Family, metric_count> families = {{
    {Metric::requests_total, Kind::counter, "requests_total",
     "Requests answered or given up, by the class of the status sent to the client.", by_route},
    {Metric::exchange_ends_total, Kind::counter, "exchange_ends_total",
     "Exchanges that ended other than by the target's complete answer, by reason code.", by_reason},
    {Metric::request_bytes_total, Kind::counter, "request_bytes_total",
     "Bytes of requests received from clients, heads included, TLS not.", by_listener},
    {Metric::response_bytes_total, Kind::counter, "response_bytes_total",
     "Bytes of responses sent to clients, heads included, TLS not.", by_listener},
    {Metric::target_requests_total, Kind::counter, "target_requests_total",
     "Answers received from targets, by the class of their status.", by_group_and_class},
    {Metric::target_sent_bytes_total, Kind::counter, "target_sent_bytes_total",
     "Bytes of requests sent to targets, heads included, TLS not.", by_group},
    {Metric::target_received_bytes_total, Kind::counter, "target_received_bytes_total",
     "Bytes of answers received from targets, heads included, TLS not.", by_group},
    {Metric::target_retries_total, Kind::counter, "target_retries_total",
     "Requests sent once more, by the reason code of the try that failed.", by_group_and_reason},
    {Metric::target_retry_budget_exhausted_total, Kind::counter,
     "target_retry_budget_exhausted_total",
     "Failed tries that were not repeated because the retry budget was used up.", by_group},
    {Metric::target_hedges_total, Kind::counter, "target_hedges_total",
     "Second tries sent because the first was slow, by whether they answered first: won or lost.",
     by_group_and_result},
    {Metric::target_fail_open_requests_total, Kind::counter, "target_fail_open_requests_total",
     "Requests sent while the group failed open: too few targets were healthy, so all were used.",
     by_group},
    {Metric::target_state_changes_total, Kind::counter, "target_state_changes_total",
     "Changes of the state of targets, by the state they came to.", by_group_and_state},
    {Metric::target_ejections_total, Kind::counter, "target_ejections_total",
     "Ejections of targets by passive health, by reason.", by_group_and_reason},
    {Metric::health_checks_total, Kind::counter, "health_checks_total",
     "Active health checks, by result: success or failure.", by_group_and_result},
    {Metric::sticky_requests_total, Kind::counter, "sticky_requests_total",
     "Requests of groups with stickiness, by what came of it.", by_group_and_result},
    {Metric::rule_sticky_requests_total, Kind::counter, "rule_sticky_requests_total",
     "Requests of rules whose clients stay with a target group, by what came of it.",
     by_rule_and_result},
    {Metric::compressed_answers_total, Kind::counter, "compressed_answers_total",
     "Answers compressed for clients, by coding.", by_listener_and_coding},
    {Metric::compression_input_bytes_total, Kind::counter, "compression_input_bytes_total",
     "Content of answers before it was compressed.", by_listener},
    {Metric::compression_output_bytes_total, Kind::counter, "compression_output_bytes_total",
     "Content of answers after it was compressed.", by_listener},
    {Metric::tunnels_total, Kind::counter, "tunnels_total", "Connections upgraded to WebSocket.",
     by_group},
    {Metric::tunnel_ends_total, Kind::counter, "tunnel_ends_total",
     "Ends of upgraded connections, by reason code.", by_group_and_reason},
    {Metric::tunnel_bytes_total, Kind::counter, "tunnel_bytes_total",
     "Bytes passed on in upgraded connections, by direction: to_target or to_client.",
     by_group_and_direction},
    {Metric::target_connections_opened_total, Kind::counter, "target_connections_opened_total",
     "Connections opened to targets.", by_group},
    {Metric::target_connections_reused_total, Kind::counter, "target_connections_reused_total",
     "Requests sent on a connection that an earlier request left open.", by_group},
    {Metric::target_connection_errors_total, Kind::counter, "target_connection_errors_total",
     "Tries that failed for the connection to the target, by reason code.", by_group_and_reason},
    {Metric::target_tls_handshakes_total, Kind::counter, "target_tls_handshakes_total",
     "TLS handshakes completed with targets, by whether they resumed a session.",
     by_group_and_resumed},
    {Metric::client_connections_total, Kind::counter, "client_connections_total",
     "Connections accepted from clients.", by_listener},
    {Metric::client_connections_rejected_total, Kind::counter, "client_connections_rejected_total",
     "Connections closed before their first request, by reason code.", by_listener_and_reason},
    {Metric::tls_handshakes_total, Kind::counter, "tls_handshakes_total",
     "TLS handshakes completed with clients.", by_handshake},
    {Metric::tls_handshake_failures_total, Kind::counter, "tls_handshake_failures_total",
     "TLS handshakes with clients that did not complete, by reason code.", by_listener_and_reason},
    {Metric::rate_limit_requests_total, Kind::counter, "rate_limit_requests_total",
     "Requests that a limit of rate_limit was asked about, by result: admitted or refused.",
     by_limit_and_result},
    {Metric::rate_limit_evictions_total, Kind::counter, "rate_limit_evictions_total",
     "Keys that were forgotten because max_keys of their limit had buckets.", by_limit},
    {Metric::desync_requests_total, Kind::counter, "desync_requests_total",
     "HTTP/1 requests that are not compliant, by the tier of their class and its reason.",
     by_classification_and_reason},
    {Metric::access_log_lines_total,
     Kind::counter,
     "access_log_lines_total",
     "Lines written to the access log.",
     {}},
    {Metric::access_log_dropped_total,
     Kind::counter,
     "access_log_dropped_total",
     "Lines lost because the access log could not be written, or not fast enough.",
     {}},
    {Metric::config_reloads_total, Kind::counter, "config_reloads_total",
     "Reloads of the configuration, by result: success or failure.", by_result},
    {Metric::events_total, Kind::counter, "events_total",
     "Events of connections outside any exchange, by reason code.", by_reason},
    {Metric::jwks_fetches_total, Kind::counter, "jwks_fetches_total",
     "Fetches of keys for the filter jwt, by result: success or failure.", by_jwks_and_result},
    {Metric::jwt_cache_total, Kind::counter, "jwt_cache_total",
     "Tokens looked for among those verified before, by result: hit or miss.", by_result},
    {Metric::client_connections, Kind::gauge, "client_connections",
     "Open connections from clients.", by_listener},
    {Metric::client_connections_idle, Kind::gauge, "client_connections_idle",
     "Open connections from clients without a request.", by_listener},
    {Metric::target_connections, Kind::gauge, "target_connections", "Open connections to targets.",
     by_group},
    {Metric::target_connections_idle, Kind::gauge, "target_connections_idle",
     "Open connections to targets without a request.", by_group},
    {Metric::target_active_requests, Kind::gauge, "target_active_requests",
     "Requests sent to targets whose answer is not complete.", by_group},
    {Metric::targets, Kind::gauge, "targets", "Registered targets, by state.", by_group_and_state},
    {Metric::targets_ejected, Kind::gauge, "targets_ejected",
     "Targets that passive health keeps from work.", by_group},
    {Metric::target_queue_requests, Kind::gauge, "target_queue_requests",
     "Requests waiting for a target with room.", by_group},
    {Metric::tunnels, Kind::gauge, "tunnels", "Open connections upgraded to WebSocket.", by_group},
    {Metric::config_last_reload_success,
     Kind::gauge,
     "config_last_reload_success",
     "1 when the configuration on disk was accepted at the last reload or start, otherwise 0.",
     {}},
    {Metric::config_last_reload_timestamp_seconds,
     Kind::gauge,
     "config_last_reload_timestamp_seconds",
     "When the configuration in force was loaded, in seconds since 1970.",
     {}},
    {Metric::config_revision,
     Kind::gauge,
     "config_revision",
     "Number of the configuration in force; 1 at the start.",
     {}},
    {Metric::start_time_seconds,
     Kind::gauge,
     "start_time_seconds",
     "When the process started, in seconds since 1970.",
     {}},
    {Metric::workers, Kind::gauge, "workers", "Worker threads.", {}},
    {Metric::certificate_expiry_timestamp_seconds, Kind::gauge,
     "certificate_expiry_timestamp_seconds",
     "When a listener's certificate ends, in seconds since 1970, by the name of its file.",
     by_listener_and_certificate},
    {Metric::jwks_last_success_timestamp_seconds, Kind::gauge,
     "jwks_last_success_timestamp_seconds",
     "When the keys in use were fetched or confirmed, in seconds since 1970; 0: never.", by_jwks},
    {Metric::jwks_keys, Kind::gauge, "jwks_keys", "Keys in use for the filter jwt.", by_jwks},
    {Metric::request_duration_seconds, Kind::histogram, "request_duration_seconds",
     "Request head complete to the last byte of the answer handed to the kernel.",
     by_listener_and_group},
    {Metric::added_latency_seconds, Kind::histogram, "added_latency_seconds",
     "Part of a request's duration spent in Sluice itself: without waiting for target or client.",
     by_listener},
    {Metric::target_response_seconds, Kind::histogram, "target_response_seconds",
     "Request sent to the head of the target's answer.", by_group},
    {Metric::target_connect_seconds, Kind::histogram, "target_connect_seconds",
     "Time to open a connection to a target, TLS included.", by_group},
    {Metric::target_queue_seconds, Kind::histogram, "target_queue_seconds",
     "Time that requests waited for a target with room, of those that waited.", by_group},
    {Metric::health_check_seconds, Kind::histogram, "health_check_seconds",
     "Duration of active health checks.", by_group},
    {Metric::tls_handshake_seconds, Kind::histogram, "tls_handshake_seconds",
     "Duration of TLS handshakes with clients.", by_listener},
}};

// A counter's name ends in _total, no other's does; so Prometheus' own linter wants it.
consteval bool complete_in_order_and_well_named() {
  for (std::size_t i = 0; i < families.size(); ++i) {
    const Family& family = families[i];
    if (family.metric != static_cast<Metric>(i) || family.help.empty()) return false;
    if (family.name.ends_with("_total") != (family.kind == Kind::counter)) return false;
    if (family.kind == Kind::histogram && !family.name.ends_with("_seconds")) return false;
  }
  return true;
}
static_assert(complete_in_order_and_well_named(), "one row per Metric, in the enumeration's order");

}  // namespace

const Family& family_of(Metric metric) { return families[static_cast<std::size_t>(metric)]; }

// --- histograms ---------------------------------------------------------------------------------
namespace {

constexpr std::size_t bound_count = Histogram::upper_bounds_seconds.size();

// In nanoseconds, with one above all of them so that the last bucket needs no special case.
constexpr auto bounds = [] {
  std::array<std::uint64_t, bound_count + 1> result{};
  for (std::size_t i = 0; i < bound_count; ++i) {
    // Each is a whole number of nanoseconds that the product may miss by a tiny fraction.
    result[i] = static_cast<std::uint64_t>(Histogram::upper_bounds_seconds[i] * 1e9 + 0.25);
  }
  result[bound_count] = std::numeric_limits<std::uint64_t>::max();
  return result;
}();

// At index w: how many bounds lie below every number that is w bits wide.
constexpr auto bounds_below_width = [] {
  std::array<std::uint8_t, 65> result{};
  for (std::size_t width = 1; width < result.size(); ++width) {
    const std::uint64_t least = std::uint64_t{1} << (width - 1);
    while (result[width] < bound_count && bounds[result[width]] < least) ++result[width];
  }
  return result;
}();

// What makes one comparison enough: no two bounds have the same width in bits.
constexpr bool one_bound_per_width = [] {
  for (std::size_t i = 1; i < bound_count; ++i) {
    if (std::bit_width(bounds[i]) <= std::bit_width(bounds[i - 1])) return false;
  }
  return true;
}();
static_assert(one_bound_per_width);

void add_relaxed(std::atomic<std::uint64_t>& cell, std::uint64_t amount) {
  cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

// No branch: 3 ns with durations that no predictor can guess, where a scan over the bounds takes 19
// (bench/micro/access_log_bench, histogram_record and histogram_scan).
void Histogram::record(std::chrono::nanoseconds value) {
  const auto nanoseconds =
      static_cast<std::uint64_t>(std::max(value, std::chrono::nanoseconds::zero()).count());
  std::size_t index = bounds_below_width[static_cast<std::size_t>(std::bit_width(nanoseconds))];
  index += nanoseconds > bounds[index] ? 1 : 0;  // bounds are inclusive ("le")
  add_relaxed(buckets_[index], 1);
  add_relaxed(sum_, nanoseconds);
}

// --- cells --------------------------------------------------------------------------------------
namespace {

using Labels = std::vector<std::string>;

// Blocks begin on cache lines of their own, so that cells of two threads never share one.
template <typename Cell>
class Shelf {
 public:
  struct Series {
    Cell* cell = nullptr;
    std::size_t holders = 0;
    bool stays = false;         // whether anybody holds it or not
    std::uint64_t left_as = 0;  // number of its last holder's leave
  };
  using AllSeries = std::map<Labels, Series>;

  Cell& find_or_add(Metric metric, LabelValues values) {
    Series& series = place_of(metric, values)->second;
    series.stays = true;
    return *series.cell;
  }

  // `release` must follow.
  [[nodiscard]] std::pair<Cell*, const Labels*> hold(Metric metric, LabelValues values) {
    const auto place = place_of(metric, values);
    ++place->second.holders;
    return {place->second.cell, &place->first};
  }

  void release(Metric metric, const Labels& labels) {
    AllSeries& all = series_[static_cast<std::size_t>(metric)];
    const auto place = all.find(labels);
    assert(place != all.end() && place->second.holders > 0);
    if (--place->second.holders > 0 || place->second.stays) return;
    place->second.left_as = ++leaves_;
    left_.push_back({metric, place, leaves_});
    if (left_.size() > left_series_most) forget_oldest();
  }

  void remove(Metric metric, LabelValues values) {
    series_[static_cast<std::size_t>(metric)].erase(Labels(values.begin(), values.end()));
  }

  [[nodiscard]] const AllSeries& series(Metric metric) const {
    return series_[static_cast<std::size_t>(metric)];
  }

 private:
  static constexpr std::size_t cells_per_block = 16;
  struct alignas(64) Block {
    std::array<Cell, cells_per_block> cells;
  };

  typename AllSeries::iterator place_of(Metric metric, LabelValues values) {
    AllSeries& series = series_[static_cast<std::size_t>(metric)];
    Labels labels(values.begin(), values.end());
    if (series.size() >= series_most && !series.contains(labels)) {
      labels.assign(values.size(), "other");
    }
    const auto [position, added] = series.try_emplace(std::move(labels));
    if (added) position->second.cell = &unused_cell();
    return position;
  }

  // Of the series that left: unless it was held again, and perhaps left again, since.
  void forget_oldest() {
    const Left oldest = left_.front();
    left_.pop_front();
    const Series& series = oldest.place->second;
    if (series.holders > 0 || series.stays || series.left_as != oldest.left_as) return;
    unused_.push_back(series.cell);
    series_[static_cast<std::size_t>(oldest.metric)].erase(oldest.place);
  }

  Cell& unused_cell() {
    if (!unused_.empty()) {
      Cell* const again = unused_.back();
      unused_.pop_back();
      return *std::construct_at(again);  // at 0; nobody can see it now
    }
    if (used_in_last_ == cells_per_block) {
      blocks_.emplace_back();
      used_in_last_ = 0;
    }
    return blocks_.back().cells[used_in_last_++];
  }

  struct Left {
    Metric metric;
    typename AllSeries::iterator place;
    std::uint64_t left_as;
  };

  std::deque<Block> blocks_;  // a deque never moves its elements
  std::size_t used_in_last_ = cells_per_block;
  std::vector<Cell*> unused_;  // of series that are gone
  std::deque<Left> left_;      // nobody holds them; in the order in which they left
  std::uint64_t leaves_ = 0;
  std::array<AllSeries, metric_count> series_;
};

}  // namespace

struct Cells::Store {
  mutable std::mutex mutex;  // the maps; the cells themselves are atomic
  Shelf<Counter> counters;
  Shelf<Gauge> gauges;
  Shelf<Histogram> histograms;
};

Cells::Cells() : store_(std::make_unique<Store>()) {}
Cells::~Cells() = default;

Counter& Cells::counter(Metric metric, LabelValues labels) {
  assert(family_of(metric).kind == Kind::counter);
  assert(family_of(metric).labels.size() == labels.size());
  const std::lock_guard lock(store_->mutex);
  return store_->counters.find_or_add(metric, labels);
}

Gauge& Cells::gauge(Metric metric, LabelValues labels) {
  assert(family_of(metric).kind == Kind::gauge);
  assert(family_of(metric).labels.size() == labels.size());
  const std::lock_guard lock(store_->mutex);
  return store_->gauges.find_or_add(metric, labels);
}

Histogram& Cells::histogram(Metric metric, LabelValues labels) {
  assert(family_of(metric).kind == Kind::histogram);
  assert(family_of(metric).labels.size() == labels.size());
  const std::lock_guard lock(store_->mutex);
  return store_->histograms.find_or_add(metric, labels);
}

HeldCounter Cells::hold_counter(Metric metric, LabelValues labels) {
  assert(family_of(metric).kind == Kind::counter);
  assert(family_of(metric).labels.size() == labels.size());
  HeldCounter held;
  const std::lock_guard lock(store_->mutex);
  std::tie(held.counter_, held.labels_) = store_->counters.hold(metric, labels);
  held.cells_ = this;
  held.metric_ = metric;
  return held;
}

HeldCounter& HeldCounter::operator=(HeldCounter&& other) noexcept {
  if (this == &other) return *this;
  release();
  cells_ = std::exchange(other.cells_, nullptr);
  counter_ = std::exchange(other.counter_, nullptr);
  labels_ = std::exchange(other.labels_, nullptr);
  metric_ = other.metric_;
  return *this;
}

void HeldCounter::release() {
  if (cells_ == nullptr) return;
  const std::lock_guard lock(cells_->store_->mutex);
  cells_->store_->counters.release(metric_, *labels_);
}

void Cells::forget_gauge(Metric metric, LabelValues labels) {
  assert(family_of(metric).kind == Kind::gauge);
  const std::lock_guard lock(store_->mutex);
  store_->gauges.remove(metric, labels);
}

// --- sums over all threads ----------------------------------------------------------------------
namespace {

struct Total {
  double value = 0;
  std::array<std::uint64_t, Histogram::bucket_count> buckets{};
  std::uint64_t nanoseconds = 0;

  void add(const Counter& cell) { value += static_cast<double>(cell.value()); }
  void add(const Gauge& cell) { value += static_cast<double>(cell.value()); }
  void add(const Histogram& cell) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += cell.bucket(i);
    nanoseconds += cell.sum_nanoseconds();
  }

  // From the buckets as read, so that count and +Inf agree while workers go on recording.
  [[nodiscard]] std::uint64_t observations() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t bucket : buckets) sum += bucket;
    return sum;
  }
};

using Totals = std::map<Labels, Total>;

template <typename Cell>
void add_all(Totals& totals, const Shelf<Cell>& shelf, Metric metric) {
  for (const auto& [labels, series] : shelf.series(metric)) totals[labels].add(*series.cell);
}

prometheus::ClientMetric::Histogram cumulative(const Total& total) {
  prometheus::ClientMetric::Histogram result;
  result.sample_sum = static_cast<double>(total.nanoseconds) / 1e9;
  for (std::size_t i = 0; i < total.buckets.size(); ++i) {
    result.sample_count += total.buckets[i];
    const double bound = i < bound_count ? Histogram::upper_bounds_seconds[i]
                                         : std::numeric_limits<double>::infinity();
    result.bucket.push_back({result.sample_count, bound});
  }
  return result;
}

prometheus::ClientMetric series_of(const Family& family, const Labels& labels, const Total& total) {
  prometheus::ClientMetric result;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    result.label.push_back({std::string(family.labels[i]), labels[i]});
  }
  switch (family.kind) {
    case Kind::counter: result.counter.value = total.value; break;
    case Kind::gauge: result.gauge.value = total.value; break;
    case Kind::histogram: result.histogram = cumulative(total); break;
  }
  return result;
}

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::counter: return prometheus::MetricType::Counter;
    case Kind::gauge: return prometheus::MetricType::Gauge;
    case Kind::histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

struct Registry::Impl {
  mutable std::mutex mutex;  // the vector
  std::vector<std::unique_ptr<Cells>> cells;

  [[nodiscard]] Totals totals(const Family& family) const {
    Totals result;
    const std::lock_guard lock(mutex);
    for (const auto& one : cells) {
      const Cells::Store& store = *one->store_;
      const std::lock_guard store_lock(store.mutex);
      switch (family.kind) {
        case Kind::counter: add_all(result, store.counters, family.metric); break;
        case Kind::gauge: add_all(result, store.gauges, family.metric); break;
        case Kind::histogram: add_all(result, store.histograms, family.metric); break;
      }
    }
    return result;
  }

  [[nodiscard]] prometheus::MetricFamily collect(const Family& family) const {
    prometheus::MetricFamily result;
    for (const auto& [labels, total] : totals(family)) {
      result.metric.push_back(series_of(family, labels, total));
    }
    result.name = "sluice_" + std::string(family.name);
    result.help = family.help;
    result.type = type_of(family.kind);
    return result;
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Cells& Registry::add_cells() {
  const std::lock_guard lock(impl_->mutex);
  return *impl_->cells.emplace_back(std::make_unique<Cells>());
}

// Families that nobody has asked a cell of are left out. One family after the other: what the
// library makes of a series takes ten times the memory of its text.
std::string Registry::render() const {
  std::ostringstream out;
  for (const Family& family : families) {
    const std::vector<prometheus::MetricFamily> one{impl_->collect(family)};
    if (!one.front().metric.empty()) prometheus::TextSerializer().Serialize(out, one);
  }
  return std::move(out).str();
}

double Registry::sum(Metric metric, LabelValues labels) const {
  const Family& family = family_of(metric);
  assert(labels.size() <= family.labels.size());
  double result = 0;
  for (const auto& [present, total] : impl_->totals(family)) {
    if (!std::equal(labels.begin(), labels.end(), present.begin())) continue;
    result +=
        family.kind == Kind::histogram ? static_cast<double>(total.observations()) : total.value;
  }
  return result;
}

}  // namespace sluice::observe
