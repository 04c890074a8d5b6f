#include "proxy/stickiness.h"

#include <algorithm>
#include <chrono>

#include "proxy/hash_key.h"
#include "sluice/base/hash.h"
#include "sluice/base/text.h"
#include "sluice/http/cookie.h"
#include "sluice/net/seal.h"

namespace sluice::proxy {

namespace {

using Kind = StickySession::Kind;
using config::StickinessType;
using std::chrono::milliseconds;

constexpr int cookies_opened_max = 4;

const config::Stickiness& settings_of(const Exchange& exchange) {
  return exchange.group_settings->stickiness;
}

bool uses_cookie(const config::Stickiness& settings) {
  return settings.type == StickinessType::lb_cookie || settings.type == StickinessType::app_cookie;
}

base::WallTime now(const Exchange& exchange) { return exchange.worker().loop().clock.wall(); }

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

// ---------------------------------------------------------------- what is sealed

// Version, milliseconds since 1970 in eight bytes, the id, and zeros up to a whole number of
// blocks: the length of the cookie shall not tell addresses apart.
constexpr char payload_version = 1;
constexpr std::size_t id_at = 1 + 8;
constexpr std::size_t block = 32;

std::string payload_of(const target::Target& target, base::WallTime issued_at) {
  const auto time = static_cast<std::uint64_t>(
      std::chrono::duration_cast<milliseconds>(issued_at.time_since_epoch()).count());
  std::string payload(1, payload_version);
  for (int shift = 56; shift >= 0; shift -= 8) {
    payload.push_back(static_cast<char>((time >> shift) & 0xff));
  }
  payload += target.id();
  payload.resize((payload.size() + block - 1) / block * block, '\0');
  return payload;
}

struct Pinned {
  std::string_view target_id;  // in the payload
  base::WallTime issued_at;
};

std::optional<Pinned> read_payload(std::string_view payload) {
  if (payload.size() <= id_at || payload.front() != payload_version) return std::nullopt;
  std::uint64_t time = 0;
  for (const char c : payload.substr(1, 8)) time = (time << 8) | static_cast<unsigned char>(c);
  const std::string_view id = payload.substr(id_at);
  return Pinned{id.substr(0, id.find('\0')),
                base::WallTime(milliseconds(static_cast<std::int64_t>(time)))};
}

// Either way: a cookie from far in the future, made while a clock was wrong, must not hold for
// ever.
bool is_expired(const Exchange& exchange, base::WallTime issued_at) {
  const auto age = now(exchange) - issued_at;
  const auto duration = settings_of(exchange).duration;
  return age >= duration || age <= -duration;
}

void find_cookie(const Exchange& exchange, StickySession& session) {
  const std::string name = cookie_name(exchange);
  const std::string context = context_of(exchange);
  const net::Sealer& sealer = *exchange.view->snapshot->sealer;
  http::CookieValues values(exchange.request.fields, name);
  for (int opened = 0; opened < cookies_opened_max; ++opened) {
    const std::optional<std::string_view> value = values.next();
    if (!value.has_value()) return;
    const std::optional<std::string> payload = sealer.open(*value, context);
    const std::optional<Pinned> pinned =
        payload.has_value() ? read_payload(*payload) : std::nullopt;
    if (!pinned.has_value()) {
      if (session.kind == Kind::none) session.kind = Kind::invalid;
    } else if (is_expired(exchange, pinned->issued_at)) {
      session.kind = Kind::expired;
    } else {
      session.kind = Kind::found;
      session.target_id = pinned->target_id;
      session.issued_at = pinned->issued_at;
      return;
    }
  }
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
    const bool is_due = now(exchange) - session.issued_at >= settings.duration / 10;
    return is_due || session.target_id != chosen.id();
  }
  return settings.type == StickinessType::lb_cookie || answer_sets_application_cookie(exchange);
}

// What a trusted proxy says of the client's own connection: the first of a list.
bool is_secure_connection(const Exchange& exchange) {
  if (exchange.connection->is_tls()) return true;
  if (!exchange.peer_is_trusted) return false;
  const std::string_view list = exchange.request.fields.value(http::FieldName::x_forwarded_proto);
  return base::equals_ignoring_case(base::trim(list.substr(0, list.find(','))), "https");
}

bool is_secure(const Exchange& exchange) {
  switch (settings_of(exchange).secure) {
    case config::CookieSecure::always: return true;
    case config::CookieSecure::never: return false;
    case config::CookieSecure::automatic: break;
  }
  return is_secure_connection(exchange);
}

http::CookieSite site_of(config::SameSite same_site) {
  switch (same_site) {
    case config::SameSite::lax: return http::CookieSite::lax;
    case config::SameSite::strict: return http::CookieSite::strict;
    case config::SameSite::none: return http::CookieSite::none;
    case config::SameSite::unset: break;
  }
  return http::CookieSite::unset;
}

http::CookieAttributes attributes_of(const Exchange& exchange) {
  const config::Stickiness& settings = settings_of(exchange);
  http::CookieAttributes attributes{.path = settings.path, .domain = settings.domain};
  if (settings.max_age) {
    attributes.max_age = std::chrono::ceil<std::chrono::seconds>(settings.duration);
  }
  attributes.secure = is_secure(exchange);
  attributes.http_only = settings.http_only;
  attributes.same_site = site_of(settings.same_site);
  return attributes;
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
  const net::Sealer& sealer = *exchange.view->snapshot->sealer;
  const std::string sealed = sealer.seal(payload_of(chosen, now(exchange)), context_of(exchange));
  if (sealed.empty()) return {};  // the answer is worth more than the session
  return http::set_cookie(cookie_name(exchange), sealed, attributes_of(exchange));
}

std::string companion_cookie_name(std::string_view group) {
  constexpr std::string_view digits = "0123456789abcdef";
  const std::uint64_t hash = base::hash(group);
  std::string name = "SLUICEAPP-";
  for (int shift = 60; shift >= 0; shift -= 4) name.push_back(digits[(hash >> shift) & 0xf]);
  return name;
}

}  // namespace sluice::proxy
