// The door for kinds of health checks: what one is, and the table of all.
//
// To add a kind: `src/control/health/<kind>.cc` with a maker and the list of its own keys, both
// declared in makers.h, a row in checks.cc, and a test `tests/unit/control/health_<kind>_test.cc`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/health/settings.h"
#include "sluice/config/node.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/loop.h"
#include "sluice/net/task.h"
#include "sluice/target/health.h"
#include "sluice/upstream/group.h"

namespace sluice::control::health {

// Who is asked.
struct Subject {
  net::Endpoint endpoint;  // with the port of the check
  // Of the target as configured, without brackets; empty: a Unix socket.
  std::string host;
};
// `port` 0: the one that traffic goes to.
[[nodiscard]] Subject subject_of(const target::Target& target, std::uint16_t port);

// What one check found out.
struct Finding {
  target::StateReason reason = target::StateReason::none;  // none: it passed
  std::string detail;  // of a failure: one line of printable text, may be empty

  [[nodiscard]] bool passed() const { return reason == target::StateReason::none; }
};

// One configured check of one group; immutable, control thread.
class Check {
 public:
  virtual ~Check() = default;

  // Asks once. Ends within `timeout`, whatever the other side does, with its one descriptor closed.
  // internal_error: we could not ask, which says nothing about the target. Destroying the task
  // before its end gives the check up. The check outlives the task.
  [[nodiscard]] virtual net::Task<Finding> probe(net::Loop& loop, Subject subject,
                                                 config::Milliseconds timeout) const = 0;
};

// What a check is made from; used only while it is made.
struct Source {
  const config::Node& node;  // the mapping `health_check`
  const Settings& settings;
  const upstream::GroupSettings& group;
};

struct Kind {
  std::string_view name;                   // the value of `protocol`
  std::span<const std::string_view> keys;  // that it reads, besides those of every kind
  // Null, with everything that is wrong in `problems`, when the keys do not fit.
  std::shared_ptr<const Check> (*make)(const Source& source, config::Problems& problems);
};

[[nodiscard]] std::span<const Kind> kinds();
[[nodiscard]] const Kind* find_kind(std::string_view name);  // null: unknown

}  // namespace sluice::control::health
