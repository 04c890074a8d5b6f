#include "proxy/choose_group.h"

#include <optional>
#include <variant>

namespace sluice::proxy {

namespace {

using route::Forward;

upstream::Group& group_at(const Exchange& exchange, const Forward& forward, std::size_t place) {
  return *exchange.view->groups[forward.groups[place].group];
}

// Where more than one could be drawn, from the cookie with the attributes for other sites first, as
// ALB does.
SessionCookie find_session(const Exchange& exchange, const config::GroupStickiness& stickiness) {
  const std::string& name = stickiness.cookie.cookie_name;
  const std::string context = "group_cookie:" + name;
  const config::Milliseconds duration = stickiness.cookie.duration;
  SessionCookie session;
  if (stickiness.cors) session = open_session_cookie(exchange, name + "CORS", context, duration);
  if (session.kind == SessionKind::found) return session;
  SessionCookie plain = open_session_cookie(exchange, name, context, duration);
  return plain.kind == SessionKind::none ? session : plain;
}

// By weight, among the groups that are well; nothing when none is.
std::optional<std::size_t> draw_well(const Exchange& exchange, const Forward& forward,
                                     std::uint64_t random) {
  const auto is_open = [&](std::size_t place) {
    return forward.groups[place].weight > 0 && group_at(exchange, forward, place).is_well();
  };
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < forward.groups.size(); ++i) {
    if (is_open(i)) sum += forward.groups[i].weight;
  }
  if (sum == 0) return std::nullopt;
  std::uint64_t left = (random >> 32) * sum >> 32;
  for (std::size_t i = 0; i < forward.groups.size(); ++i) {
    if (!is_open(i)) continue;
    if (left < forward.groups[i].weight) return i;
    left -= forward.groups[i].weight;
  }
  return std::nullopt;
}

// `kept`: the place of the session's group, if there is one.
std::size_t place_for(Exchange& exchange, const Forward& forward, std::optional<std::size_t> kept) {
  if (forward.groups.size() == 1) return 0;
  if (kept.has_value() && (!forward.fallback || group_at(exchange, forward, *kept).is_well())) {
    return *kept;
  }
  const std::uint64_t random = exchange.worker().random().next();
  if (forward.fallback) {
    const std::optional<std::size_t> well = draw_well(exchange, forward, random);
    if (well.has_value()) return *well;
  }
  return kept.value_or(forward.draw(random));
}

const config::GroupStickiness* stickiness_of(const Exchange& exchange) {
  const auto& forward = std::get<Forward>(*exchange.rule->rule->action);
  return forward.stickiness.has_value() ? &*forward.stickiness : nullptr;
}

}  // namespace

GroupSession choose_group(Exchange& exchange, const Forward& forward) {
  GroupSession session;
  std::optional<std::size_t> kept;
  if (forward.stickiness.has_value()) {
    const SessionCookie cookie = find_session(exchange, *forward.stickiness);
    session.kind = cookie.kind;
    session.issued_at = cookie.issued_at;
    if (cookie.kind == SessionKind::found) kept = forward.find(cookie.value);
  }
  const std::size_t place = place_for(exchange, forward, kept);
  session.is_kept = kept == place;
  const std::size_t index = forward.groups[place].group;
  exchange.group = exchange.view->groups[index].get();
  exchange.group_settings = exchange.view->snapshot->groups[index].get();
  exchange.rule_group = &exchange.rule->groups[place];
  return session;
}

void count_group_session(const Exchange& exchange, const GroupSession& session) {
  if (stickiness_of(exchange) == nullptr) return;
  using upstream::SessionResult;
  SessionResult result = SessionResult::fresh;
  switch (session.kind) {
    case SessionKind::none: break;
    case SessionKind::expired: result = SessionResult::expired; break;
    case SessionKind::invalid: result = SessionResult::invalid; break;
    case SessionKind::found:
      result = session.is_kept ? SessionResult::kept : SessionResult::repinned;
      break;
  }
  exchange.rule->sessions[static_cast<std::size_t>(result)]->add();
}

void add_group_cookies(Exchange& exchange, const GroupSession& session) {
  const config::GroupStickiness* stickiness = stickiness_of(exchange);
  if (stickiness == nullptr) return;
  const config::Stickiness& settings = stickiness->cookie;
  const bool is_young =
      session.is_kept && !is_renewal_due(exchange, session.issued_at, settings.duration);
  if (is_young) return;
  const std::string& name = settings.cookie_name;
  const std::string sealed =
      seal_session_cookie(exchange, exchange.group_settings->name, "group_cookie:" + name);
  if (sealed.empty()) return;
  http::CookieAttributes attributes = cookie_attributes(exchange, settings);
  add_cookie(exchange, http::set_cookie(name, sealed, attributes));
  if (!stickiness->cors) return;
  attributes.secure = true;
  attributes.same_site = http::CookieSite::none;
  add_cookie(exchange, http::set_cookie(name + "CORS", sealed, attributes));
}

}  // namespace sluice::proxy
