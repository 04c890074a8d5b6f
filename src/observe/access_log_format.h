// One AccessRecord to one line of text: JSON or the "combined" format. Schema: docs/logs.md.
//
// Invariants (T25), whatever bytes a record holds:
// 1. the line is printable ASCII followed by one line feed;
// 2. a JSON line is one valid JSON object; in a combined line a quote ends a value and nothing else
// does;
// 3. it has at most `longest_line` bytes: values that are longer than below are cut and end in
// "...".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>

#include "sluice/observe/access_log.h"

namespace sluice::observe {

// Bytes kept of a value, before escaping.
inline constexpr std::size_t target_most = 8192;
inline constexpr std::size_t referer_most = 2048;
inline constexpr std::size_t user_agent_most = 1024;
inline constexpr std::size_t host_most = 512;
inline constexpr std::size_t value_most = 256;  // each of the others
inline constexpr std::size_t other_values = 18;

// A byte grows to six (\u00ff) at most; names, numbers and punctuation are the rest.
inline constexpr std::size_t longest_line =
    6 * (target_most + referer_most + user_agent_most + host_most + other_values * value_most) +
    2048;

// Keeps the formatted second, for many lines share one. One thread.
class LineFormatter {
 public:
  // Write at `out`, which has room for `longest_line` bytes; return the end. Neither allocates.
  [[nodiscard]] char* json(const AccessRecord& record, char* out);
  [[nodiscard]] char* combined(const AccessRecord& record, char* out);

 private:
  void format_second(std::chrono::sys_seconds second);

  std::chrono::sys_seconds second_ = std::chrono::sys_seconds::min();
  std::array<char, 19> rfc3339_{};  // 2026-11-21T04:30:00
  std::array<char, 20> clf_{};      // 21/Nov/2026:04:30:00
};

}  // namespace sluice::observe
