#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>

#include "control/admin_calls.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

namespace json = boost::json;
using target::State;
using target::StateReason;

std::string_view text_of(config::StickinessType type) {
  switch (type) {
    case config::StickinessType::none: return "none";
    case config::StickinessType::lb_cookie: return "lb_cookie";
    case config::StickinessType::app_cookie: return "app_cookie";
    case config::StickinessType::hash: return "hash";
  }
  return "none";
}

std::string_view text_of(config::ProtocolVersion version) {
  switch (version) {
    case config::ProtocolVersion::http1: return "http1";
    case config::ProtocolVersion::http2: return "http2";
    case config::ProtocolVersion::grpc: return "grpc";
  }
  return "http1";
}

// A time in milliseconds, to the microsecond.
double milliseconds_of(std::chrono::nanoseconds time) {
  const auto microseconds = std::chrono::round<std::chrono::microseconds>(time);
  return static_cast<double>(microseconds.count()) / 1000;
}

json::value json_of(StateReason reason) {
  return reason == StateReason::none ? json::value(nullptr) : json::value(target::text(reason));
}

json::value json_of(const std::optional<base::WallTime>& time) {
  return time.has_value() ? json::value(rfc3339(*time)) : json::value(nullptr);
}

json::object json_of(const GroupStatus& group) {
  json::object by_state;
  for (std::size_t i = 0; i < target_states; ++i) {
    by_state[target::text(static_cast<State>(i))] = group.by_state[i];
  }
  return {{"name", group.name},
          {"protocol", group.is_https ? "https" : "http"},
          {"protocol_version", text_of(group.protocol_version)},
          {"algorithm", group.algorithm},
          {"stickiness", text_of(group.stickiness)},
          {"in_use", group.in_use},
          {"targets", std::move(by_state)},
          {"ejected", group.ejected},
          {"fails_open", group.fails_open}};
}

json::value ejection_of(const TargetStatus& target) {
  if (target.ejection == target::Ejection::none) return nullptr;
  return json::object{{"reason", json_of(target.ejection_reason)},
                      {"probing", target.ejection == target::Ejection::probing},
                      {"until", json_of(target.ejected_until)}};
}

json::value json_of(const std::optional<TargetStatus::Check>& check) {
  if (!check.has_value()) return nullptr;
  return json::object{{"time", rfc3339(check->at)},
                      {"duration_ms", milliseconds_of(check->took)},
                      {"result", check->failure.empty() ? "success" : "failure"},
                      {"text", check->failure}};
}

json::array sources_of(const TargetStatus& target) {
  json::array all;
  for (std::string_view rest = target.sources; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    all.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return all;
}

}  // namespace

json::object json_of(const TargetStatus& target) {
  json::object body{
      {"id", target.id},
      {"address", target.address},
      {"weight", target.weight},
      {"source", target.sources.substr(0, target.sources.find(','))},
      {"sources", sources_of(target)},
      {"zone", target.zone.empty() ? json::value(nullptr) : json::value(target.zone)},
      {"state", target::text(target.state)},
      {"reason", json_of(target.reason)},
      {"since", json_of(target.since)},
      {"ejected", ejection_of(target)},
      {"slow_start_percent", target.slow_start_percent},
      {"share_percent", target.share_percent},
      {"active_requests", target.active_requests},
      {"connections", target.connections},
      {"latency_ms", nullptr},
      {"last_check", json_of(target.last_check)},
  };
  if (target.latency.has_value()) body["latency_ms"] = milliseconds_of(*target.latency);
  if (target.deregistration_remaining.has_value()) {
    body["deregistration_remaining_s"] = target.deregistration_remaining->count();
  }
  return body;
}

AdminReply no_such_group(const std::string& name, const AdminHooks& hooks) {
  constexpr std::size_t named_max = 20;
  std::string detail = "there is no target group '" + observe::escaped(name) + "'";
  std::size_t named = 0;
  for (const GroupStatus& group : hooks.target_groups()) {
    if (named == named_max) {
      detail += ", ...";
      break;
    }
    detail += (named++ == 0 ? "; there are " : ", ") + group.name;
  }
  return problem(404, detail);
}

AdminReply target_groups(const AdminQuestion& question) {
  json::array body;
  for (const GroupStatus& group : question.hooks.target_groups()) body.push_back(json_of(group));
  return json_reply(body);
}

AdminReply target_group(const AdminQuestion& question) {
  const std::string& name = question.names.front();
  const std::optional<GroupStatus> group = question.hooks.target_group(name);
  return group.has_value() ? json_reply(json_of(*group)) : no_such_group(name, question.hooks);
}

AdminReply targets_of_group(const AdminQuestion& question) {
  const std::string& name = question.names.front();
  const std::optional<std::vector<TargetStatus>> targets = question.hooks.targets(name);
  if (!targets.has_value()) return no_such_group(name, question.hooks);
  json::array body;
  for (const TargetStatus& target : *targets) body.push_back(json_of(target));
  return json_reply(body);
}

AdminReply target_of_group(const AdminQuestion& question) {
  const std::string& group = question.names.at(0);
  const std::string& id = question.names.at(1);
  if (!question.hooks.is_group(group)) return no_such_group(group, question.hooks);
  const std::optional<TargetStatus> target = question.hooks.target(group, id);
  if (target.has_value()) return json_reply(json_of(*target));
  return problem(404, "there is no target '" + observe::escaped(id) + "' in " + group);
}

}  // namespace sluice::control
