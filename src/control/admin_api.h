// What the admin listener answers: a request in, a reply out, no I/O.
//
// The calls are one table (admin_api.cc); a new one is a row and a function. Control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/admin_guard.h"
#include "control/admin_tokens.h"
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
  std::vector<std::string_view> authorization;
  std::vector<std::string_view> content_type;
  std::string_view body;
  std::string_view peer;             // who connected: `127.0.0.1:4711`, `unix (uid 0)`
  std::optional<unsigned> peer_uid;  // of a Unix socket, when the system tells
};

struct AdminReply;

// A reply that comes later, on the same thread.
class AdminPending {
 public:
  void finish(AdminReply reply);
  [[nodiscard]] bool is_finished() const { return reply_ != nullptr; }
  // Once, when it is finished.
  [[nodiscard]] AdminReply take();
  // `wake` is called when it is; null: nobody waits any more.
  void on_finished(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  std::shared_ptr<AdminReply> reply_;
  std::function<void()> wake_;
};

struct AdminReply {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  // of a 405: the methods that work
  // Not null: there is no body, but these until the connection ends.
  std::shared_ptr<AdminEventStream> events;
  // Not null: this is not the reply yet.
  std::shared_ptr<AdminPending> pending;
  std::string location;         // of a 201
  bool asks_for_token = false;  // 401: WWW-Authenticate
};

// `tokens` null: there are none, and who gets here may do everything.
[[nodiscard]] AdminReply answer(AdminRequest request, const AdminHooks& hooks,
                                const AdminTokens* tokens = nullptr);

// An error as application/problem+json (RFC 9457); `detail` says what would have been right.
[[nodiscard]] AdminReply problem(unsigned status, std::string_view detail);

}  // namespace sluice::control
