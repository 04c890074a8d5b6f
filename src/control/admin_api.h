// What the admin listener answers: a request in, a reply out, no I/O.
//
// The calls are one table (admin_api.cc); a new one is a row and a function. Control thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/admin_guard.h"
#include "sluice/control/admin.h"

namespace sluice::control {

class AdminEventStream;

struct AdminRequest {
  std::string_view method;
  std::string_view target;  // as in the request line: origin or absolute form
  bool is_http_1_0 = false;
  AdminRequestSource source;
  // As received, one element for each line of the field.
  std::vector<std::string_view> accept;
  std::vector<std::string_view> last_event_id;
};

struct AdminReply {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  // of a 405: the methods that work
  // Not null: there is no body, but these until the connection ends.
  std::shared_ptr<AdminEventStream> events;
};

[[nodiscard]] AdminReply answer(AdminRequest request, const AdminHooks& hooks);

// An error as application/problem+json (RFC 9457); `detail` says what would have been right.
[[nodiscard]] AdminReply problem(unsigned status, std::string_view detail);

}  // namespace sluice::control
