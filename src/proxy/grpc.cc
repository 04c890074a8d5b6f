#include "proxy/grpc.h"

#include <algorithm>

#include "sluice/base/text.h"

namespace sluice::proxy {

using observe::Reason;

namespace {

constexpr std::string_view content_type = "application/grpc";
constexpr std::size_t most_digits = 8;

enum Status : std::uint32_t {
  unknown = 2,
  deadline_exceeded = 4,
  permission_denied = 7,
  resource_exhausted = 8,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  unauthenticated = 16,
};

// Nanoseconds of one; 0: no unit.
std::uint64_t unit_of(char unit) {
  switch (unit) {
    case 'H': return 3'600'000'000'000;
    case 'M': return 60'000'000'000;
    case 'S': return 1'000'000'000;
    case 'm': return 1'000'000;
    case 'u': return 1'000;
    case 'n': return 1;
    default: return 0;
  }
}

}  // namespace

bool is_grpc(const http::RequestHead& request) {
  if (!request.http2) return false;
  const std::string_view type = request.fields.value(http::FieldName::content_type);
  if (type.size() < content_type.size() ||
      !base::equals_ignoring_case(type.substr(0, content_type.size()), content_type)) {
    return false;
  }
  // Not `application/grpc-web`, which is another protocol.
  return type.size() == content_type.size() || type[content_type.size()] == '+' ||
         type[content_type.size()] == ';';
}

std::optional<std::chrono::milliseconds> grpc_timeout(const http::RequestHead& request) {
  const http::Field* field = request.fields.find("grpc-timeout");
  if (field == nullptr || field->value.size() < 2) return std::nullopt;
  const std::string_view digits = field->value.substr(0, field->value.size() - 1);
  const std::uint64_t unit = unit_of(field->value.back());
  const std::optional<std::uint64_t> count = base::parse_decimal(digits);
  if (unit == 0 || digits.size() > most_digits || !count.has_value()) return std::nullopt;
  // At most 10^8 hours: no overflow.
  const std::uint64_t milliseconds =
      unit >= 1'000'000 ? *count * (unit / 1'000'000) : (*count * unit + 999'999) / 1'000'000;
  return std::chrono::milliseconds(std::max<std::uint64_t>(milliseconds, 1));
}

std::uint32_t grpc_status(Reason reason, std::uint16_t http_status) {
  switch (reason) {
    case Reason::total_timeout:
    case Reason::target_response_timeout:
    case Reason::target_try_timeout: return deadline_exceeded;
    // Behind the head of an answer, where there is no status of HTTP any more.
    case Reason::target_body_cut:
    case Reason::target_body_timeout:
    case Reason::shutdown_deadline: return unavailable;
    case Reason::target_body_malformed: return internal;
    default: break;
  }
  switch (http_status) {
    // A service of forward_auth that sends users to its login page.
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: return unauthenticated;
    case 400: return internal;
    case 401: return unauthenticated;
    case 403: return permission_denied;
    case 404:
    case 405:
    case 501: return unimplemented;
    case 413:
    case 431: return resource_exhausted;
    case 429:
    case 502:
    case 503:
    case 504: return unavailable;
    default: return unknown;
  }
}

}  // namespace sluice::proxy
