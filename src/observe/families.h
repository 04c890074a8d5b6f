// What a metric is called, means and is labelled with. The array itself is in families.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/observe/metrics.h"

namespace sluice::observe {

inline constexpr std::size_t metric_count = static_cast<std::size_t>(Metric::last_) + 1;

enum class Kind : std::uint8_t { counter, gauge, histogram };

struct Family {
  Metric metric;
  Kind kind;
  std::string_view name;  // without the prefix "sluice_"
  std::string_view help;
  std::span<const std::string_view> labels;
};

[[nodiscard]] const Family& family_of(Metric metric);
[[nodiscard]] std::span<const Family> all_families();  // in the order of Metric

// Beyond so many label sets of one family in one Cells, further ones share a series whose labels
// are all "other". Names come from the configuration, so this is a guard, not a limit anybody meets
// (T25).
inline constexpr std::size_t series_most = 10'000;

// Series that nobody holds any more stay for so long as they are among the last so many to leave: a
// scrape sees their final values, and a configuration that is taken back finds its counters.
inline constexpr std::size_t left_series_most = 256;

}  // namespace sluice::observe
