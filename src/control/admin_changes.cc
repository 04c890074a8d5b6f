#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <initializer_list>
#include <utility>

#include "control/admin_calls.h"
#include "sluice/base/strict_json.h"
#include "sluice/base/text.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

namespace json = boost::json;
using Kind = TargetChange::Kind;
using Result = TargetChanged::Result;

constexpr base::JsonLimits body_limits{.bytes = 64 * 1024, .depth = 4};
constexpr std::uint64_t largest_weight = 999;

// A body, or the reply that says what is wrong with it.
struct Body {
  json::object object;
  std::optional<AdminReply> refusal;
};

bool is_json(std::string_view content_type) {
  const std::string_view media_type = base::trim(content_type.substr(0, content_type.find(';')));
  return base::equals_ignoring_case(media_type, "application/json");
}

// `names`: the members there may be.
Body body_of(const AdminRequest& request, std::initializer_list<std::string_view> names) {
  if (request.content_type.size() != 1 || !is_json(request.content_type.front())) {
    return {{}, problem(415, "the body must come with Content-Type: application/json")};
  }
  auto value = base::parse_strict_json(request.body, body_limits);
  if (!value || !value->is_object()) {
    return {{}, problem(400, "the body must be one JSON object, each name in it once")};
  }
  for (const auto& member : value->as_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::ranges::find(names, name) != names.end()) continue;
    std::string detail = "there is no '" + observe::escaped(name) + "' here; there may be";
    for (const std::string_view each : names) {
      detail.append(&each == names.begin() ? " " : ", ").append(each);
    }
    return {{}, problem(422, detail)};
  }
  return {std::move(value->as_object()), {}};
}

std::optional<std::uint32_t> weight_from(const json::value& value) {
  json::error_code error;
  const auto number = value.to_number<std::uint64_t>(error);
  // 1.0 is a number like 1 (RFC 8259 6), but nobody who means a weight writes it.
  if (error || value.is_double() || number > largest_weight) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

AdminReply wrong_weight() { return problem(422, "weight: must be a whole number from 0 to 999"); }

std::string path_of(const std::string& group, const std::string& id) {
  std::string path = "/v1/target-groups/" + group + "/targets/";
  for (const char c : id) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == ':' || c == '-' || c == '_';
    if (is_plain) {
      path += c;
    } else {
      base::append_percent_encoded(path, c);
    }
  }
  return path;
}

// As it will be once the workers know: the change is on its way to them.
TargetStatus status_of(const AdminHooks& hooks, const std::string& group, const std::string& id,
                       const TargetChanged& changed) {
  TargetStatus status;
  // One that was not there before need not be looked for.
  if (changed.result != Result::added || changed.target->sources != "api") {
    status = hooks.target(group, id).value_or(TargetStatus{});
  }
  const bool is_known = !status.id.empty();
  status.id = id;
  status.address = changed.target->endpoint.text();
  status.weight = changed.target->weight;
  status.sources = changed.target->sources;
  status.zone = changed.target->zone;
  if (changed.target->is_leaving || changed.result == Result::removed) {
    status.state = target::State::draining;
    status.reason = target::StateReason::deregistration_in_progress;
  } else if (!is_known || status.state == target::State::draining) {
    status.state = target::State::initial;
    status.reason = target::StateReason::registration_in_progress;
  }
  return status;
}

AdminReply reply_of(const AdminHooks& hooks, const std::string& group, const std::string& id,
                    const TargetChanged& changed) {
  const std::string label = "'" + observe::escaped(id) + "'";
  const auto with_target = [&](unsigned status) {
    AdminReply reply = json_reply(json_of(status_of(hooks, group, id, changed)));
    reply.status = status;
    if (status == 201) reply.location = path_of(group, id);
    return reply;
  };
  switch (changed.result) {
    case Result::added: return with_target(201);
    case Result::removed: return with_target(202);
    case Result::modified:
    case Result::unchanged:
    case Result::unregistered: return with_target(200);
    case Result::no_group: return no_such_group(group, hooks);
    case Result::no_target: return problem(404, "nobody names a target " + label + " in " + group);
    case Result::not_registered:
      return problem(409, "target " + label + " comes from " + changed.target->sources +
                              " and can only be removed there; PATCH {\"state\":\"draining\"} "
                              "takes it out of use");
    case Result::another_weight:
      return problem(409,
                     "target " + label +
                         " is registered with another weight; PATCH {\"weight\":N} changes it");
    case Result::too_many:
      return problem(409, "the admin API may say something of " +
                              std::to_string(Registrations::targets_max) +
                              " targets of a group; this would be one more");
    case Result::no_room: return problem(507, changed.detail);
    case Result::not_kept: return problem(503, changed.detail);
  }
  return problem(500, "the error log says why");
}

AdminReply ask(const AdminQuestion& question, TargetChange change) {
  auto pending = std::make_shared<AdminPending>();
  change.who = question.who;
  std::string group = change.group;
  std::string id = change.id;
  question.hooks.change_target(
      std::move(change),
      [pending, group = std::move(group), id = std::move(id), &hooks = question.hooks](
          const TargetChanged& changed) { pending->finish(reply_of(hooks, group, id, changed)); });
  AdminReply reply;
  reply.pending = std::move(pending);
  return reply;
}

}  // namespace

AdminReply add_target(const AdminQuestion& question) {
  const std::string& group = question.names.at(0);
  if (!question.hooks.is_group(group)) return no_such_group(group, question.hooks);
  Body body = body_of(question.request, {"address", "weight"});
  if (body.refusal) return std::move(*body.refusal);
  TargetChange change{.kind = Kind::add, .group = group};
  const json::value* const address = body.object.if_contains("address");
  if (address == nullptr || !address->is_string()) {
    return problem(422, "address: must be a text, ip:port, [v6]:port or unix:/path");
  }
  std::string error;
  const json::string& text = address->as_string();
  auto target = target_address({text.data(), text.size()}, error);
  if (!target) return problem(422, error);
  change.id = std::move(target->id);
  change.endpoint = target->endpoint;
  if (const json::value* const weight = body.object.if_contains("weight")) {
    change.weight = weight_from(*weight);
    if (!change.weight) return wrong_weight();
  }
  return ask(question, std::move(change));
}

AdminReply modify_target(const AdminQuestion& question) {
  const std::string& group = question.names.at(0);
  if (!question.hooks.is_group(group)) return no_such_group(group, question.hooks);
  Body body = body_of(question.request, {"weight", "state"});
  if (body.refusal) return std::move(*body.refusal);
  TargetChange change{.kind = Kind::modify, .group = group, .id = question.names.at(1)};
  if (body.object.empty()) return problem(422, "the body must have a weight or a state");
  if (const json::value* const weight = body.object.if_contains("weight")) {
    change.ends_weight = weight->is_null();
    if (!change.ends_weight) change.weight = weight_from(*weight);
    if (!change.ends_weight && !change.weight) return wrong_weight();
  }
  if (const json::value* const state = body.object.if_contains("state")) {
    const bool drains = *state == json::value("draining");
    if (!drains && *state != json::value("enabled")) {
      return problem(422, "state: must be draining or enabled");
    }
    change.is_draining = drains;
  }
  return ask(question, std::move(change));
}

AdminReply remove_target(const AdminQuestion& question) {
  const std::string& group = question.names.at(0);
  if (!question.hooks.is_group(group)) return no_such_group(group, question.hooks);
  return ask(question, {.kind = Kind::remove, .group = group, .id = question.names.at(1)});
}

AdminReply reload(const AdminQuestion& question) {
  observe::log(observe::Level::info, "admin: reload by " + question.who);
  auto pending = std::make_shared<AdminPending>();
  question.hooks.reload([pending](const AdminReload& result) {
    json::array problems;
    for (const std::string& text : result.problems) problems.push_back(json::value(text));
    if (result.is_success) {
      pending->finish(json_reply(
          json::object{{"revision", result.revision}, {"warnings", std::move(problems)}}));
      return;
    }
    pending->finish(problem(422, "the configuration was refused; the former one stays in use",
                            std::move(problems)));
  });
  AdminReply reply;
  reply.pending = std::move(pending);
  return reply;
}

}  // namespace sluice::control
