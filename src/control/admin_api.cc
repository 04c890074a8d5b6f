#include "control/admin_api.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "control/admin_calls.h"
#include "sluice/base/text.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

namespace json = boost::json;

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view prometheus_text = "text/plain; version=0.0.4; charset=utf-8";

AdminReply text_reply(unsigned status, std::string body) {
  return {.status = status, .content_type = std::string(plain_text), .body = std::move(body)};
}

// --- the calls ----------------------------------------------------------------------------------

AdminReply index(const AdminQuestion& question);

AdminReply livez(const AdminQuestion& /*question*/) { return text_reply(200, "ok\n"); }

AdminReply readyz(const AdminQuestion& question) {
  return question.hooks.is_ready() ? text_reply(200, "ready\n")
                                   : text_reply(503, "draining or not ready\n");
}

AdminReply metrics(const AdminQuestion& question) {
  return {.status = 200,
          .content_type = std::string(prometheus_text),
          .body = question.hooks.metrics()};
}

AdminReply status(const AdminQuestion& question) {
  const AdminStatus now = question.hooks.status();
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now() - now.started_at);
  json::object config;
  config["revision"] = now.revision;
  config["loaded_at"] = rfc3339(now.loaded_at);
  // null, not "": there was no error.
  config["last_reload_error"] =
      now.last_reload_error.empty() ? json::value(nullptr) : json::value(now.last_reload_error);
  json::object body;
  body["version"] = now.version;
  // The wall clock may have been set back since.
  body["uptime_seconds"] = std::max<std::int64_t>(0, uptime.count());
  body["config"] = std::move(config);
  body["workers"] = now.workers;
  json::array listeners;
  for (const AdminListener& listener : now.listeners) {
    listeners.push_back(json::object{{"name", listener.name}, {"address", listener.address}});
  }
  body["listeners"] = std::move(listeners);
  json::array certificates;
  for (const AdminCertificate& certificate : now.certificates) {
    const auto left = certificate.not_after - std::chrono::system_clock::now();
    json::array names;
    for (const std::string& name : certificate.names) names.push_back(json::value(name));
    certificates.push_back(
        json::object{{"listener", certificate.listener},
                     {"file", certificate.file},
                     {"names", std::move(names)},
                     {"not_after", rfc3339(certificate.not_after)},
                     // Below 0 once it has expired.
                     {"days_left", std::chrono::floor<std::chrono::days>(left).count()}});
  }
  body["certificates"] = std::move(certificates);
  body["connections"] = now.client_connections;
  body["draining"] = now.is_draining;
  return json_reply(body);
}

struct Call {
  std::string_view path;  // a {placeholder} is any one segment
  std::string_view does;
  AdminReply (*answer)(const AdminQuestion& question);
  std::string_view method = "GET";  // which HEAD goes with

  [[nodiscard]] bool takes(std::string_view wanted) const {
    return wanted == method || (method == "GET" && wanted == "HEAD");
  }
  [[nodiscard]] bool is_write() const { return method != "GET"; }
};

constexpr std::array calls = {
    Call{"/", "this list", index},
    Call{"/livez", "200 while the process runs", livez},
    Call{"/readyz", "200 while it takes traffic, 503 while it starts and drains", readyz},
    Call{"/metrics", "metrics in the Prometheus text format", metrics},
    Call{"/v1/status", "version, uptime, configuration, workers and connections", status},
    Call{"/v1/target-groups", "target groups, with counts of their targets by state",
         target_groups},
    Call{"/v1/target-groups/{group}", "one of them", target_group},
    Call{"/v1/target-groups/{group}/targets", "its targets, and how they are", targets_of_group},
    Call{"/v1/target-groups/{group}/targets", "registers a target", add_target, "POST"},
    Call{"/v1/target-groups/{group}/targets/{id}", "one of them", target_of_group},
    Call{"/v1/target-groups/{group}/targets/{id}", "changes its weight, drains or enables it",
         modify_target, "PATCH"},
    Call{"/v1/target-groups/{group}/targets/{id}", "drains it, then it goes", remove_target,
         "DELETE"},
    Call{"/v1/events", "changes of targets and reloads, as server-sent events or a JSON array",
         events},
    Call{"/v1/reload", "reads the configuration again", reload, "POST"},
};

// For probes of systems that have no token.
constexpr std::array open_paths = {std::string_view("/livez"), std::string_view("/readyz")};

AdminReply index(const AdminQuestion& /*question*/) {
  constexpr std::size_t column = 40;
  std::string text = "Sluice, admin listener\n\n";
  for (const Call& call : calls) {
    text.append(call.method).append(7 - call.method.size(), ' ').append(call.path);
    text.append(column - std::min(column - 1, call.path.size()), ' ');
    text.append(call.does).append("\n");
  }
  return text_reply(200, std::move(text));
}

AdminReply not_found(std::string_view path) {
  std::string detail = "there is nothing at " + observe::escaped(path) + "; there are";
  std::string_view former;
  for (const Call& call : calls) {
    if (call.path == std::exchange(former, call.path)) continue;
    detail.append(&call == calls.data() ? " " : ", ").append(call.path);
  }
  return problem(404, detail);
}

AdminReply method_not_allowed(std::string_view method, std::string_view path) {
  std::string methods;
  for (const Call& call : calls) {
    if (call.path != path) continue;
    methods.append(methods.empty() ? "" : ", ").append(call.method);
    if (call.takes("HEAD")) methods.append(", HEAD");
  }
  AdminReply reply =
      problem(405, std::string(path) + " takes " + methods + ", not " + observe::escaped(method));
  reply.allow = std::move(methods);
  return reply;
}

// --- the request --------------------------------------------------------------------------------

// Takes the scheme and authority off a target in absolute form; the authority then counts and Host
// does not (RFC 9112 3.2.2).
void to_origin_form(AdminRequest& request) {
  constexpr std::string_view scheme = "http://";
  std::string_view& target = request.target;
  if (!base::equals_ignoring_case(target.substr(0, scheme.size()), scheme)) return;
  target.remove_prefix(scheme.size());
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  request.source.host = {target.substr(0, end)};
  target.remove_prefix(end);
  if (target.empty() || target.front() == '?') target = "/";
}

// Takes the first segment off a path that begins with a slash: "/a/b" is "a", and "/b" is left.
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// The segments of `path` that stand for the placeholders of the call, not decoded; nothing: another
// path.
std::optional<std::vector<std::string_view>> match(std::string_view path, const Call& call) {
  std::vector<std::string_view> names;
  std::string_view pattern = call.path;
  while (path.starts_with('/') && pattern.starts_with('/')) {
    const std::string_view segment = take_segment(path);
    const std::string_view expected = take_segment(pattern);
    const bool is_placeholder = expected.starts_with('{');
    if (is_placeholder ? segment.empty() : segment != expected) return std::nullopt;
    if (is_placeholder) names.push_back(segment);
  }
  if (!path.empty() || !pattern.empty()) return std::nullopt;
  return names;
}

AdminReply answer_with(const Call& call, AdminQuestion question,
                       const std::vector<std::string_view>& names) {
  for (const std::string_view name : names) {
    std::optional<std::string> decoded = percent_decoded(name);
    if (!decoded.has_value()) {
      return problem(400, "a % in a path must be followed by two hexadecimal digits");
    }
    question.names.push_back(std::move(*decoded));
  }
  try {
    return call.answer(question);
  } catch (const std::exception& exception) {
    observe::log(observe::Level::error, "internal_error: admin " + std::string(call.path) + ": " +
                                            observe::escaped(exception.what()));
    return problem(500, "the error log says why");
  }
}

AdminReply unauthorized(const AdminRequest& request, const Admission& admission) {
  observe::log(observe::Level::warning, "admin: refused " + observe::escaped(request.method, 16) +
                                            " from " + observe::escaped(request.peer) + ": " +
                                            admission.detail);
  AdminReply reply = problem(admission.status, admission.detail);
  reply.asks_for_token = admission.status == 401;
  return reply;
}

// Without tokens the mode of a Unix socket decides who gets here; a change asks for the same user
// besides, should somebody have widened it.
Admission admit_peer(const AdminRequest& request, bool is_write) {
  const bool is_stranger = request.source.is_unix_socket && request.peer_uid != 0U &&
                           request.peer_uid != static_cast<unsigned>(::geteuid());
  if (!is_write || !is_stranger) return {};
  return {403, "changes are for the user of this process and root", {}};
}

AdminReply answer_at(std::string_view path, AdminQuestion question, const AdminTokens* tokens) {
  const AdminRequest& request = question.request;
  // Before anything is told of what there is.
  const bool needs_token =
      tokens != nullptr && std::ranges::find(open_paths, path) == open_paths.end();
  Admission admission = needs_token ? admit(*tokens, request.authorization, false) : Admission{};
  if (admission.status != 0) return unauthorized(request, admission);
  std::string_view known_path;
  for (const Call& call : calls) {
    const auto names = match(path, call);
    if (!names.has_value()) continue;
    known_path = call.path;
    if (!call.takes(request.method)) continue;
    admission = needs_token ? admit(*tokens, request.authorization, call.is_write())
                            : admit_peer(request, call.is_write());
    if (admission.status != 0) return unauthorized(request, admission);
    const std::string from = observe::escaped(request.peer);
    question.who = admission.who.empty() ? from : "token " + admission.who + " from " + from;
    return answer_with(call, std::move(question), *names);
  }
  if (!known_path.empty()) return method_not_allowed(request.method, known_path);
  return not_found(path);
}

std::string_view title_of(unsigned status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Internal Server Error";
  }
}

}  // namespace

AdminReply answer(AdminRequest request, const AdminHooks& hooks, const AdminTokens* tokens) {
  // RFC 9112 3.2: one Host in HTTP/1.1, never two.
  if (request.source.host.size() > 1) return problem(400, "more than one Host field");
  if (request.source.host.empty() && !request.is_http_1_0) return problem(400, "no Host field");
  to_origin_form(request);
  const std::string forgery = forgery_in(request.source);
  if (!forgery.empty()) return problem(403, forgery);
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  std::string_view query = request.target.substr(path.size());
  if (!query.empty()) query.remove_prefix(1);
  return answer_at(path, {.hooks = hooks, .request = request, .query = query, .names = {}}, tokens);
}

void AdminPending::finish(AdminReply reply) {
  reply_ = std::make_shared<AdminReply>(std::move(reply));
  if (wake_) wake_();
}

AdminReply AdminPending::take() { return std::move(*reply_); }

AdminReply problem(unsigned status, std::string_view detail) { return problem(status, detail, {}); }

AdminReply problem(unsigned status, std::string_view detail, json::array problems) {
  json::object body;
  body["type"] = "about:blank";  // nothing beyond the status (RFC 9457 4.2.1)
  body["title"] = title_of(status);
  body["status"] = status;
  body["detail"] = detail;
  if (!problems.empty()) body["problems"] = std::move(problems);
  return {.status = status,
          .content_type = "application/problem+json",
          .body = json::serialize(body) + "\n"};
}

}  // namespace sluice::control
