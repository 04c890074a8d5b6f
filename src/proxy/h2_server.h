// The client's half of an exchange over HTTP/2: one stream, from its head to the end of its
// exchange, which may outlast the stream.
#pragma once

#include <cstddef>
#include <string>

#include "sluice/base/block_memory.h"
#include "sluice/http/h2_session.h"
#include "sluice/net/task.h"
#include "sluice/proxy/client_side.h"
#include "sluice/proxy/connection.h"
#include "sluice/upstream/h2_channel.h"

namespace sluice::proxy {

class H2Connection;

class H2Server final : public upstream::H2Channel, public ClientSide, public base::InBlockMemory {
 public:
  explicit H2Server(H2Connection& connection);

  [[nodiscard]] bool is_http2() const override { return true; }
  void begin_body() override;
  [[nodiscard]] upstream::Body& body() override { return *this; }
  bool cancel_reader() override { return H2Channel::cancel_reader(); }
  [[nodiscard]] upstream::Sender& sender() override { return *this; }
  [[nodiscard]] bool has_gone() const override {
    return is_closed() && closed_reason() != observe::Reason::none;
  }
  void watch() override;
  void unwatch() override { is_watched_ = false; }
  [[nodiscard]] upstream::H2Channel* channel() override { return this; }

 private:
  friend class H2Connection;
  void on_head(http::H2Fields&& fields, observe::Reason defect, bool ends) override;
  void wake() override;
  bool put_head(std::span<const http::H2Session::Line> lines, bool ends) override;
  [[nodiscard]] static net::Task<> serve(H2Server& self);
  void end(After after, observe::Reason defect);

  H2Connection& connection_;
  std::size_t index_ = 0;  // in the connection's list
  Exchange* exchange_ = nullptr;
  http::H2Fields fields_;  // what the request's head points into
  std::string joined_cookie_;
  observe::Reason defect_ = observe::Reason::none;
  bool has_head_ = false;
  bool is_serving_ = false;
  bool ends_with_head_ = false;
  bool has_begun_body_ = false;
  bool is_watched_ = false;
};

}  // namespace sluice::proxy
