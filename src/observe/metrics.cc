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
  for (const Family& family : all_families()) {
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
