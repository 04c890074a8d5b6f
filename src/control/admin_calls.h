// The calls of the admin listener that have files of their own, and what they share.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/admin_api.h"
#include "sluice/base/clock.h"

namespace sluice::control {

// One request for a call.
struct AdminQuestion {
  const AdminHooks& hooks;
  const AdminRequest& request;
  std::string_view query;          // behind the `?`
  std::vector<std::string> names;  // what stands for the {placeholders} of the path, decoded
  std::string who = {};            // asks, for the log: `token deploy from 10.0.0.9:4711`
};

// admin_targets.cc
[[nodiscard]] AdminReply target_groups(const AdminQuestion& question);
[[nodiscard]] AdminReply target_group(const AdminQuestion& question);
[[nodiscard]] AdminReply targets_of_group(const AdminQuestion& question);
[[nodiscard]] AdminReply target_of_group(const AdminQuestion& question);
[[nodiscard]] boost::json::object json_of(const TargetStatus& target);
[[nodiscard]] AdminReply no_such_group(const std::string& name, const AdminHooks& hooks);
// admin_changes.cc
[[nodiscard]] AdminReply add_target(const AdminQuestion& question);
[[nodiscard]] AdminReply modify_target(const AdminQuestion& question);
[[nodiscard]] AdminReply remove_target(const AdminQuestion& question);
[[nodiscard]] AdminReply reload(const AdminQuestion& question);
// admin_events.cc
[[nodiscard]] AdminReply events(const AdminQuestion& question);

// With what is wrong, one by one, as `problems`.
[[nodiscard]] AdminReply problem(unsigned status, std::string_view detail,
                                 boost::json::array problems);
[[nodiscard]] AdminReply json_reply(const boost::json::value& body);
// RFC 3339 with milliseconds: 2026-11-21T04:30:00.123Z.
[[nodiscard]] std::string rfc3339(base::WallTime time);
// %XX becomes the byte; nothing when a % has no two hexadecimal digits behind it.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace sluice::control
