#include "proxy/stickiness.h"

#include <algorithm>
#include <utility>

#include "proxy/hash_key.h"
#include "sluice/base/hash.h"
#include "sluice/base/text.h"
#include "sluice/http/cookie.h"

namespace sluice::proxy {

namespace {

using Kind = StickySession::Kind;
using config::StickinessType;

const config::Stickiness& settings_of(const Exchange& exchange) {
  return exchange.group_settings->stickiness;
}

bool uses_cookie(const config::Stickiness& settings) {
  return settings.type == StickinessType::lb_cookie || settings.type == StickinessType::app_cookie;
}

// What the seal is for: a cookie of one kind or group is none of another.
std::string context_of(const Exchange& exchange) {
  const bool is_lb = settings_of(exchange).type == StickinessType::lb_cookie;
  return (is_lb ? "lb_cookie:" : "app_cookie:") + exchange.group_settings->name;
}

std::string cookie_name(const Exchange& exchange) {
  return settings_of(exchange).type == StickinessType::lb_cookie
             ? settings_of(exchange).cookie_name
             : companion_cookie_name(exchange.group_settings->name);
}

void find_cookie(const Exchange& exchange, StickySession& session) {
  SessionCookie cookie = open_session_cookie(exchange, cookie_name(exchange), context_of(exchange),
                                             settings_of(exchange).duration);
  session.kind = cookie.kind;
  session.target_id = std::move(cookie.value);
  session.issued_at = cookie.issued_at;
}

// ---------------------------------------------------------------- what is written

bool sends_application_cookie(const Exchange& exchange) {
  return http::CookieValues(exchange.request.fields, settings_of(exchange).cookie_name)
      .next()
      .has_value();
}

bool answer_sets_application_cookie(const Exchange& exchange) {
  return std::ranges::any_of(exchange.answer.fields, [&exchange](const http::Field& field) {
    return field.known == http::FieldName::set_cookie &&
           http::sets_cookie(field.value, settings_of(exchange).cookie_name);
  });
}

bool needs_cookie(const Exchange& exchange, const StickySession& session,
                  const target::Target& chosen) {
  const config::Stickiness& settings = settings_of(exchange);
  if (session.kind == Kind::found) {
    return is_renewal_due(exchange, session.issued_at, settings.duration) ||
           session.target_id != chosen.id();
  }
  return settings.type == StickinessType::lb_cookie || answer_sets_application_cookie(exchange);
}

}  // namespace

StickySession find_session(const Exchange& exchange) {
  StickySession session;
  const config::Stickiness& settings = settings_of(exchange);
  if (settings.type == StickinessType::hash) {
    session.hash = hash_of(settings.key, exchange);
  } else if (settings.type == StickinessType::lb_cookie ||
             (settings.type == StickinessType::app_cookie && sends_application_cookie(exchange))) {
    find_cookie(exchange, session);
  }
  return session;
}

std::optional<upstream::SessionResult> session_result(const Exchange& exchange,
                                                      const StickySession& session,
                                                      const target::Target& chosen) {
  using upstream::SessionResult;
  if (!uses_cookie(settings_of(exchange))) return std::nullopt;
  switch (session.kind) {
    case Kind::none: return SessionResult::fresh;
    case Kind::expired: return SessionResult::expired;
    case Kind::invalid: return SessionResult::invalid;
    case Kind::found: break;
  }
  return session.target_id == chosen.id() ? SessionResult::kept : SessionResult::repinned;
}

std::string set_cookie_for(const Exchange& exchange, const StickySession& session,
                           const target::Target& chosen) {
  if (!uses_cookie(settings_of(exchange)) || !needs_cookie(exchange, session, chosen)) return {};
  const std::string sealed = seal_session_cookie(exchange, chosen.id(), context_of(exchange));
  if (sealed.empty()) return {};
  return http::set_cookie(cookie_name(exchange), sealed,
                          cookie_attributes(exchange, settings_of(exchange)));
}

std::string companion_cookie_name(std::string_view group) {
  std::string name = "SLUICEAPP-";
  base::append_hex(name, base::hash(group));
  return name;
}

}  // namespace sluice::proxy
