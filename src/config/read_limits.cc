#include <chrono>

#include "config/quantities.h"
#include "config/readers.h"

namespace sluice::config {
namespace {

using std::chrono::hours;

constexpr Range<Milliseconds> some_time{Milliseconds(1), hours(24)};
constexpr Milliseconds unlimited{0};
constexpr Range<Milliseconds> some_time_or_unlimited{unlimited, hours(24)};

// A try that may take longer than the whole exchange would never be seen to end. Only for values
// that stand side by side: a rule's total may well be shorter than its group's per_try.
void check_try(const Node& node, Milliseconds per_try, Milliseconds total, Problems& problems) {
  if (total == unlimited || per_try <= total) return;
  node.get("per_try").value_or(node).error(
      "must not be longer than total (" + duration_text(total) + ")", problems);
}

}  // namespace

void read_timeouts(const Node& node, Timeouts& timeouts, Problems& problems) {
  Section section(node, problems);
  section.duration("client_header", some_time, timeouts.client_header);
  section.duration("client_idle", some_time, timeouts.client_idle);
  section.duration("client_body", some_time, timeouts.client_body);
  section.duration("client_write", some_time, timeouts.client_write);
  section.duration("tls_handshake", some_time, timeouts.tls_handshake);
  section.duration("connect", some_time, timeouts.connect);
  section.duration("response_header", some_time, timeouts.response_header);
  section.duration("target_idle", some_time, timeouts.target_idle);
  section.duration("per_try", some_time_or_unlimited, timeouts.per_try);
  section.duration("total", some_time_or_unlimited, timeouts.total);
  check_try(node, timeouts.per_try, timeouts.total, problems);
}

void read_timeout_overrides(const Node& node, TimeoutOverrides& timeouts, Problems& problems) {
  Section section(node, problems);
  section.duration("connect", some_time, timeouts.connect);
  section.duration("response_header", some_time, timeouts.response_header);
  section.duration("target_idle", some_time, timeouts.target_idle);
  section.duration("per_try", some_time_or_unlimited, timeouts.per_try);
  section.duration("total", some_time_or_unlimited, timeouts.total);
  check_try(node, timeouts.per_try.value_or(unlimited), timeouts.total.value_or(unlimited),
            problems);
}

void read_limits(const Node& node, Limits& limits, Problems& problems) {
  constexpr Range<std::uint64_t> one_line_range{64, 256 * kibibyte};
  constexpr Range<std::uint64_t> section_range{64, 1 * mebibyte};
  constexpr Range<std::uint32_t> any_number{0, 1'000'000'000};

  Section section(node, problems);
  section.size("request_line", one_line_range, limits.request_line_bytes);
  section.size("header", one_line_range, limits.header_bytes);
  section.size("headers", section_range, limits.headers_bytes);
  section.number("header_count", {1, 10'000}, limits.header_count);
  section.size("body", body_range, limits.body_bytes);
  section.size("response_headers", section_range, limits.response_headers_bytes);
  section.number("informational_responses", {0, 1'000}, limits.informational_responses);
  section.size("chunk_extension", {0, 64 * kibibyte}, limits.chunk_extension_bytes);
  section.size("trailers", {0, 64 * kibibyte}, limits.trailer_bytes);
  // A header with the paths of two Unix sockets, and the longest that its length can say.
  section.size("proxy_header", {256, 64 * kibibyte}, limits.proxy_header_bytes);
  section.number("connections", any_number, limits.connections);
  section.number("tls_handshakes", {0, 1'000'000}, limits.tls_handshakes);
  section.number("requests_per_connection", any_number, limits.requests_per_connection);
  section.duration("connection_lifetime", {Milliseconds(0), hours(24 * 30)},
                   limits.connection_lifetime);
}

}  // namespace sluice::config
