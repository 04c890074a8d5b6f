// What happened lately: changes of targets and reloads, for whoever watches.
//
// The last 1,000 are kept. Control thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/base/clock.h"

namespace sluice::control {

namespace event_type {
inline constexpr std::string_view target_state = "target_state";
inline constexpr std::string_view target_ejected = "target_ejected";
inline constexpr std::string_view target_probing = "target_probing";
inline constexpr std::string_view target_restored = "target_restored";
inline constexpr std::string_view target_gone = "target_gone";
inline constexpr std::string_view target_registered = "target_registered";
inline constexpr std::string_view target_deregistered = "target_deregistered";
inline constexpr std::string_view targets_changed = "targets_changed";
inline constexpr std::string_view discovery_held = "discovery_held";
inline constexpr std::string_view discovery_let_go = "discovery_let_go";
inline constexpr std::string_view admin_change = "admin_change";
inline constexpr std::string_view reload = "reload";
}  // namespace event_type

struct Event {
  using Value = std::variant<std::nullptr_t, std::string, std::int64_t>;

  std::uint64_t id = 0;  // given by `add`: 1, 2, 3, ... in this process
  base::WallTime at{};
  std::string_view type;                                   // of event_type: a constant
  std::string target_group;                                // empty: not about one
  std::string target;                                      // id; empty: not about one
  std::vector<std::pair<std::string_view, Value>> fields;  // names are constants
};

class Events {
 public:
  static constexpr std::size_t kept = 1000;
  using Callback = std::function<void()>;
  // Its end ends the calls. It may outlive the Events.
  using Subscription = std::shared_ptr<const Callback>;

  Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // Gives it the next id, and tells everybody.
  void add(Event event);

  // In order; ids without gaps.
  [[nodiscard]] const std::deque<Event>& all() const { return ring_; }
  // Of the newest; 0: none yet.
  [[nodiscard]] std::uint64_t last_id() const { return last_id_; }

  // `on_new` is called behind each `add`. It must not add events.
  [[nodiscard]] Subscription subscribe(Callback on_new);
  [[nodiscard]] std::size_t subscribers();

 private:
  void forget_ended();

  std::deque<Event> ring_;
  std::uint64_t last_id_ = 0;
  std::vector<std::weak_ptr<const Callback>> subscriptions_;
};

}  // namespace sluice::control
