// One connection to the admin listener: reads requests, has them answered, writes the replies.
//
// The only file of the admin listener that knows Boost.Beast, which takes long to compile.
// One thread.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "control/admin_api.h"
#include "sluice/net/asio_task.h"

namespace sluice::control {

// How long to wait; others than these in tests only.
struct AdminTimes {
  std::chrono::milliseconds idle{30'000};        // for the first byte of a request
  std::chrono::milliseconds request{10'000};     // from there to its last; the reply again so long
  std::chrono::milliseconds keep_alive{15'000};  // silence of a stream of events
  std::chrono::milliseconds pending{30'000};     // for a reply that has to be waited for
};

class AdminConnection {
 public:
  // TCP or Unix: one type for both.
  using Protocol = net::asio::generic::stream_protocol;
  using Socket = net::asio::basic_stream_socket<Protocol, net::Executor>;
  using Answer = std::function<AdminReply(AdminRequest)>;

  AdminConnection(Socket socket, bool is_unix_socket, Answer answer, AdminTimes times = {});
  ~AdminConnection();
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;

  // Until the connection has ended, which must not be destroyed before. Once.
  [[nodiscard]] net::AsioTask<> run();
  // Ends it after the request it is at; at once when it is at none.
  void finish();
  // Ends it at once. `answer` is not called any more.
  void cut();

  // Between two requests, or within one of which something is missing; and since when.
  [[nodiscard]] bool is_waiting() const;
  [[nodiscard]] std::chrono::steady_clock::time_point waiting_since() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::control
