#include "proxy/filters/rate_limit.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/amendments.h"
#include "sluice/base/text.h"
#include "sluice/http/cookie.h"

namespace sluice::proxy {

using observe::Reason;
using route::RateLimit;
using route::RateLimitKey;

namespace {

using AddressKey = std::array<char, 16>;

// The address, of IPv6 its first bits: who has one such address has as many as there are behind
// them. Nothing when the client came by a Unix socket and nobody named it.
std::optional<std::string_view> address_key(const Exchange& exchange, std::uint32_t ipv6_prefix,
                                            AddressKey& storage) {
  const int family = exchange.connection->client().family();
  const bool is_known = !exchange.client_text.empty() || family == AF_INET || family == AF_INET6;
  if (!is_known) return std::nullopt;
  const std::span<const std::uint8_t> bytes = exchange.client.bytes();
  std::size_t bits = exchange.client.is_v4() ? 32 : ipv6_prefix;
  std::size_t size = 0;
  for (; bits > 0; ++size) {
    const std::size_t here = std::min<std::size_t>(bits, 8);
    storage[size] = static_cast<char>(bytes[size] & (0xffU << (8 - here)));
    bits -= here;
  }
  return std::string_view(storage.data(), size);
}

std::optional<std::string_view> claim_of(const Amendments& amendments, std::string_view name) {
  const auto found = std::ranges::find_if(amendments.claims,
                                          [&](const auto& claim) { return claim.first == name; });
  if (found == amendments.claims.end()) return std::nullopt;
  return found->second;
}

// Empty values say no more about who asks than absent ones.
std::optional<std::string_view> not_empty(std::optional<std::string_view> value) {
  return value.has_value() && value->empty() ? std::nullopt : value;
}

std::optional<std::string_view> key_of(const RateLimit& limit, const Exchange& exchange,
                                       AddressKey& storage) {
  const http::Fields& fields = exchange.request.fields;
  switch (limit.key) {
    case RateLimitKey::source_ip: return address_key(exchange, limit.ipv6_prefix, storage);
    case RateLimitKey::header: {
      const http::Field* field = fields.find(limit.key_name);
      return field == nullptr ? std::nullopt : not_empty(field->value);
    }
    case RateLimitKey::cookie: return not_empty(http::CookieValues(fields, limit.key_name).next());
    case RateLimitKey::rule: return std::string_view{};
    case RateLimitKey::claim: return not_empty(claim_of(*exchange.amendments, limit.key_name));
  }
  return std::nullopt;
}

bool belongs(const RateLimit& limit, RateLimitPhase phase) {
  return (limit.key == RateLimitKey::claim) == (phase == RateLimitPhase::by_claim);
}

std::uint64_t whole_seconds(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

// The fields of draft-ietf-httpapi-ratelimit-headers: lists of items, one per policy.
struct Told {
  std::string policies;
  std::string states;

  void add(const RateLimit& limit, std::uint32_t remaining, std::uint64_t seconds) {
    if (!policies.empty()) {
      policies += ", ";
      states += ", ";
    }
    policies += limit.policy;
    states.append("\"").append(limit.name).append("\";r=");
    base::append_decimal(states, remaining);
    states += ";t=";
    base::append_decimal(states, seconds);
  }
  void write(std::string& lines) const {
    if (policies.empty()) return;
    lines.append("RateLimit-Policy: ").append(policies).append("\r\n");
    lines.append("RateLimit: ").append(states).append("\r\n");
  }
};

// What the phase before took, too; filters change nothing that keys are made of.
void give_back_all(Exchange& exchange, const std::vector<RateLimit>& limits) {
  AddressKey storage;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!exchange.amendments->limits_taken[i]) continue;
    const std::optional<std::string_view> key = key_of(limits[i], exchange, storage);
    if (key.has_value()) limits[i].limiter->give_back(*key);
  }
  exchange.amendments->limits_taken.reset();
}

// The fields that the phase before wrote: a refusal tells of the limit that refuses only.
void forget_told(std::string& lines) {
  std::string kept;
  for_each_line(lines, [&](const FieldLine& line) {
    if (line.name != "RateLimit" && line.name != "RateLimit-Policy") kept += line.text;
  });
  lines = std::move(kept);
}

}  // namespace

Reason limit_rate(Exchange& exchange, RateLimitPhase phase) {
  const std::vector<RateLimit>& limits = exchange.rule->rule->filters.rate_limit->limits;
  const base::SteadyTime now = exchange.worker().loop().clock.now();
  Amendments& amendments = *exchange.amendments;
  AddressKey storage;
  Told told;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const RateLimit& limit = limits[i];
    if (!belongs(limit, phase)) continue;
    const std::optional<std::string_view> key = key_of(limit, exchange, storage);
    if (!key.has_value()) continue;
    const RateLimitCells& cells = exchange.rule->rate_limits[i];
    const route::RateLimiter::Verdict verdict = limit.limiter->take(*key, now);
    if (verdict.has_evicted) cells.evictions->add();
    if (verdict.is_admitted) {
      amendments.limits_taken.set(i);
      if (limit.fields) told.add(limit, verdict.remaining, whole_seconds(verdict.until_full));
      continue;
    }
    cells.refused->add();
    give_back_all(exchange, limits);
    forget_told(amendments.answer.lines);
    const std::uint64_t seconds = std::max<std::uint64_t>(whole_seconds(verdict.until_next), 1);
    amendments.refusal_lines += "Retry-After: ";
    base::append_decimal(amendments.refusal_lines, seconds);
    amendments.refusal_lines += "\r\n";
    Told refusing;
    refusing.add(limit, 0, seconds);
    refusing.write(amendments.refusal_lines);
    return Reason::rate_limited;
  }
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool has_admitted = belongs(limits[i], phase) && amendments.limits_taken[i];
    if (has_admitted) exchange.rule->rate_limits[i].admitted->add();
  }
  told.write(amendments.answer.lines);
  return Reason::none;
}

}  // namespace sluice::proxy
