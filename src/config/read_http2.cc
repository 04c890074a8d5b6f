#include <chrono>

#include "config/readers.h"

namespace sluice::config {

namespace {

void read_abuse(const Node& node, Http2Abuse& abuse, Problems& problems) {
  constexpr Range<std::uint32_t> count_or_off{0, 1'000'000};
  Section section(node, problems);
  section.duration("window", {Milliseconds(1'000), std::chrono::minutes(10)}, abuse.window);
  section.number("resets", count_or_off, abuse.resets);
  section.number("provoked_resets", count_or_off, abuse.provoked_resets);
  section.number("continuations", {1, 1'000}, abuse.continuations);
  section.number("settings", count_or_off, abuse.settings);
  section.number("pings", count_or_off, abuse.pings);
  section.number("priority_updates", count_or_off, abuse.priority_updates);
  section.number("empty_data", count_or_off, abuse.empty_data);
  section.number("window_updates", count_or_off, abuse.window_updates);
  section.number("refused_heads", count_or_off, abuse.refused_heads);
}

}  // namespace

void read_http2(const Node& node, Http2& http2, Problems& problems) {
  constexpr std::uint64_t largest_window = (std::uint64_t{1} << 31) - 1;  // RFC 9113 6.9.1
  constexpr Range<std::uint64_t> window_range{64 * kibibyte - 1, largest_window};
  Section section(node, problems);
  section.number("max_concurrent_streams", {1, 10'000}, http2.max_concurrent_streams);
  section.size("initial_window", window_range, http2.initial_window_bytes);
  section.size("max_window", window_range, http2.max_window_bytes);
  section.number("cookie_crumbs", {1, 10'000}, http2.cookie_crumbs);
  if (const auto abuse = section.section("abuse")) read_abuse(*abuse, http2.abuse, problems);
  if (section.is_sound() && http2.max_window_bytes < http2.initial_window_bytes) {
    node.get("max_window")
        .value_or(node)
        .error("must not be smaller than initial_window (" +
                   std::to_string(http2.initial_window_bytes) + " bytes)",
               problems);
  }
}

}  // namespace sluice::config
