// A message on its way through the proxy, as HTTP/1 and HTTP/2 both show it: content that comes in
// (Body), and a head with content that goes out (Sender). Forwarding is written once, against
// these two.
//
// Awaiting what goes out is the back-pressure: nothing is read meanwhile. One thread.
#pragma once

#include <boost/container/static_vector.hpp>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "sluice/base/bytes.h"
#include "sluice/http/field.h"
#include "sluice/net/task.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/reason.h"

namespace sluice::upstream {

// Content decoded from one read, in order. Views: valid until the next `fill`.
struct Runs {
  static constexpr std::size_t most = 8;
  boost::container::static_vector<base::Bytes, most> items;
  std::uint64_t bytes = 0;

  void add(base::Bytes run) {
    items.push_back(run);
    bytes += run.size();
  }
  [[nodiscard]] bool is_full() const { return items.size() == most; }
};

// The content of one message that comes in.
class Body {
 public:
  virtual ~Body() = default;

  // What is at hand; no runs and not finished: `fill` is needed.
  [[nodiscard]] virtual Runs take() = 0;
  // Waits for more. `closed` where that is a proper end is reported as `ok`.
  [[nodiscard]] virtual net::Task<net::Transfer> fill(std::chrono::milliseconds timeout) = 0;
  [[nodiscard]] virtual bool is_finished() const = 0;
  [[nodiscard]] virtual bool has_failed() const = 0;
  [[nodiscard]] virtual observe::Reason failure() const = 0;
  [[nodiscard]] virtual const http::Fields& trailers() const = 0;
  [[nodiscard]] virtual std::uint64_t content_bytes() const = 0;  // taken so far
  // Nothing was taken that is not in memory any more: it can be read again from its beginning.
  [[nodiscard]] virtual bool can_restart() const = 0;

 protected:
  Body() = default;
  Body(const Body&) = default;
  Body(Body&&) = default;
  Body& operator=(const Body&) = default;
  Body& operator=(Body&&) = default;
};

// One message that goes out.
//   sender.set_head(head, framing);
//   sender.add(runs, is_last, trailers);
//   Transfer sent = sender.start();
//   if (sender.is_unfinished()) sent = co_await sender.finish();
// and so on without a head until the last. All that was added must stay valid until then.
class Sender {
 public:
  virtual ~Sender() = default;

  // A head as proxy/headers.h wrote it for this protocol; it leaves with the next `start`.
  // `chunked`: HTTP/1.1 content of unknown length.
  virtual void set_head(base::Bytes head, bool chunked) = 0;
  // `trailers`: whole lines; with the last content only.
  virtual void add(const Runs& runs, bool is_last, std::string_view trailers) = 0;
  // A whole 1xx, before the head.
  virtual void add_informational(base::Bytes head) = 0;
  virtual net::Transfer start() = 0;
  [[nodiscard]] virtual bool is_unfinished() const = 0;
  // Its timeout runs between two writes that made progress.
  [[nodiscard]] virtual net::Task<net::Transfer> finish() = 0;
  // Ends a wait in `finish`, which returns `cancelled`. True when something waited; it runs before
  // this returns, and may destroy whatever it owns.
  virtual bool cancel() = 0;
  [[nodiscard]] virtual std::uint64_t bytes_written() const = 0;

 protected:
  Sender() = default;
  Sender(const Sender&) = default;
  Sender(Sender&&) = default;
  Sender& operator=(const Sender&) = default;
  Sender& operator=(Sender&&) = default;
};

}  // namespace sluice::upstream
