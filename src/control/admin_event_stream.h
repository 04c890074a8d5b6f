// The events that one reader has yet to get, as server-sent events (WHATWG HTML, 9.2).
//
// It has a place in the ring of events and no queue of its own, so a slow reader costs one batch.
// When the ring has overtaken it, a comment says how many it missed. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "sluice/control/events.h"

namespace sluice::control {

// One object, on one line.
[[nodiscard]] std::string json_text(const Event& event);

class AdminEventStream {
 public:
  static constexpr std::size_t streams_max = 16;
  static constexpr std::size_t batch_bytes = 64 * 1024;  // and at most one event more

  // Begins behind the event `after`. `events` outlives the calls of `next`, not the stream.
  AdminEventStream(Events& events, std::uint64_t after);
  AdminEventStream(const AdminEventStream&) = delete;
  AdminEventStream& operator=(const AdminEventStream&) = delete;

  // What to send next; empty: nothing is new.
  [[nodiscard]] std::string next();
  // `wake` is called when something is.
  void on_new(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  Events& events_;
  std::uint64_t last_;  // that was given out
  std::function<void()> wake_;
  Events::Subscription subscription_;
};

}  // namespace sluice::control
