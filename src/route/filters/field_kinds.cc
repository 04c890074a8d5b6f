#include "route/filters/field_kinds.h"

#include <algorithm>
#include <array>

#include "sluice/base/text.h"
#include "sluice/http/field.h"

namespace sluice::route {

using http::FieldName;

bool belongs_to_connection(std::string_view name) {
  constexpr std::array known{FieldName::content_length, FieldName::expect, FieldName::trailer};
  constexpr std::array<std::string_view, 7> others{
      "HTTP2-Settings", "Sec-WebSocket-Key", "Sec-WebSocket-Accept",  "Sec-WebSocket-Extensions",
      "Grpc-Status",    "Grpc-Message",      "Sec-WebSocket-Version",
  };
  const FieldName token = http::field_name(name);
  return http::is_hop_by_hop(token) || std::ranges::find(known, token) != known.end() ||
         std::ranges::any_of(
             others, [name](auto other) { return base::equals_ignoring_case(name, other); });
}

bool is_written_by_us(std::string_view name) {
  constexpr std::string_view certificate = "x-amzn-mtls-";
  switch (http::field_name(name)) {
    case FieldName::x_forwarded_for:
    case FieldName::x_forwarded_proto:
    case FieldName::x_forwarded_port:
    case FieldName::x_request_id:
    case FieldName::traceparent:
    case FieldName::via: return true;
    default: return base::equals_ignoring_case(name.substr(0, certificate.size()), certificate);
  }
}

}  // namespace sluice::route
