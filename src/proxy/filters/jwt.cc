#include "proxy/filters/jwt.h"

#include <algorithm>
#include <utility>

#include "proxy/amendments.h"
#include "proxy/filters/token_cache.h"
#include "proxy/filters/token_place.h"
#include "proxy/interrupt.h"
#include "proxy/request_pump.h"
#include "sluice/base/text.h"
#include "sluice/net/deadline.h"
#include "sluice/observe/log.h"
#include "sluice/route/filters/jwt_token.h"

namespace sluice::proxy {
namespace {

using observe::Reason;
using route::TokenFault;

constexpr std::chrono::milliseconds look_interval{20};
constexpr std::chrono::milliseconds patience_beyond_fetch{1000};

// --- judging it ---------------------------------------------------------------------------------

Reason reason_of(TokenFault fault) {
  switch (fault) {
    case TokenFault::none: return Reason::none;
    case TokenFault::malformed: return Reason::jwt_malformed;
    case TokenFault::algorithm: return Reason::jwt_algorithm_refused;
    case TokenFault::unknown_key: return Reason::jwt_key_unknown;
    case TokenFault::signature: return Reason::jwt_signature_invalid;
    case TokenFault::expired: return Reason::jwt_expired;
    case TokenFault::not_yet_valid: return Reason::jwt_not_yet_valid;
    case TokenFault::issuer: return Reason::jwt_issuer_refused;
    case TokenFault::audience: return Reason::jwt_audience_refused;
    case TokenFault::claims: return Reason::jwt_claims_refused;
  }
  return Reason::internal_error;
}

struct Judgement {
  Reason reason = Reason::none;
  TokenCache::SharedToken token;  // of one that passes
  bool may_pass_with_newer_keys = false;
  std::string detail;
};

Judgement judge(Exchange& exchange, const route::Jwt& settings, std::string_view text) {
  Worker& worker = exchange.worker();
  const base::Clock& clock = worker.loop().clock;
  TokenCaches& caches = worker.tokens();
  TokenCache& cache = caches.of(settings.keys);
  const route::KeySource::Keys* keys = cache.keys_of(*settings.keys);
  if (keys == nullptr || settings.keys->is_outdated(clock.now())) {
    return {Reason::jwt_keys_unavailable, nullptr, true, {}};
  }
  net::Sha256 digest;
  const bool may_keep = settings.cache > 0 && net::sha256(text, digest);
  TokenCache::SharedToken token = may_keep ? cache.find(digest) : nullptr;
  if (token != nullptr) {
    caches.hits.add();
  } else {
    caches.misses.add();
    route::OpenedToken opened = route::open_token(text, keys->set, settings.algorithms);
    if (opened.fault != TokenFault::none) {
      return {reason_of(opened.fault), nullptr, opened.may_have_newer_key,
              std::move(opened.detail)};
    }
    token = std::move(opened.token);
    if (may_keep) cache.add(digest, token, settings.cache);
  }
  const TokenFault fault = route::check_claims(*token, settings, clock.wall());
  if (fault == TokenFault::expired && may_keep) cache.remove(digest);
  if (fault != TokenFault::none) return {reason_of(fault), nullptr, false, {}};
  return {Reason::none, std::move(token), false, {}};
}

void expire(void* context) { static_cast<net::WaitSlot*>(context)->fire(net::Wake::expired); }

struct CountedWait {
  explicit CountedWait(std::size_t& of) : count(of) { ++count; }
  ~CountedWait() { --count; }
  CountedWait(const CountedWait&) = delete;
  CountedWait& operator=(const CountedWait&) = delete;
  std::size_t& count;
};

// True: a fetch has ended since. Keys come from another thread: looked for again and again, for
// who waits is rare and few.
net::Task<bool> wait_for_keys(Exchange& exchange, const route::Jwt& settings) {
  route::KeySource& source = *settings.keys;
  Worker& worker = exchange.worker();
  net::Loop& loop = worker.loop();
  const std::uint64_t before = source.fetches();
  if (worker.tokens().waiting >= settings.waiting || !source.ask_for_fetch(loop.clock.now())) {
    co_return source.fetches() != before;
  }
  const CountedWait counted(worker.tokens().waiting);
  const base::SteadyTime end = loop.clock.now() + source.settings().timeout + patience_beyond_fetch;
  watch_client(exchange);
  while (source.fetches() == before && loop.clock.now() < end &&
         end_of_all_tries(exchange) == Reason::none) {
    net::WaitSlot slot;
    exchange.amendments->awaited = &slot;
    net::Deadline deadline(loop.deadlines, expire, &slot);
    deadline.set(look_interval);
    const net::Wake wake = co_await slot.wait();
    (void)wake;
    exchange.amendments->awaited = nullptr;
  }
  unwatch_client(exchange);
  co_return source.fetches() != before;
}

// --- telling the target -------------------------------------------------------------------------

// Whoever reads the field would take them for none of the value (RFC 9110 5.5), and so the text for
// another.
bool is_changed_by_a_field(std::string_view text) { return base::trim(text) != text; }

void tell_target(Exchange& exchange, const route::Jwt& settings,
                 const route::VerifiedToken& token) {
  Amendments& amendments = *exchange.amendments;
  amendments.claims = route::texts_of_claims(token);
  for (const route::ClaimHeader& mapped : settings.headers) {
    // The client's own, whether the token has the claim or not.
    amendments.request.drop(mapped.header);
    const auto claim = std::ranges::find(amendments.claims, mapped.claim,
                                         &std::pair<std::string, std::string>::first);
    if (claim == amendments.claims.end() || is_changed_by_a_field(claim->second)) continue;
    amendments.request.lines.append(mapped.header).append(": ").append(claim->second);
    amendments.request.lines.append("\r\n");
  }
  if (!settings.forward_token) hide_token(exchange.request, settings, amendments);
}

// RFC 6750 3: who brought no token is not told of an error. Details are for the log: they would
// help whoever tries to make a token.
Reason refuse(Exchange& exchange, Reason reason, const std::string& detail) {
  std::string& lines = exchange.amendments->refusal_lines;
  if (reason == Reason::jwt_keys_unavailable) {
    lines += "Retry-After: 1\r\n";
  } else if (reason == Reason::jwt_missing) {
    lines += "WWW-Authenticate: Bearer realm=\"sluice\"\r\n";
  } else {
    lines += "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
  }
  if (observe::log_enabled(observe::Level::debug)) {
    std::string line = "jwt: request " + observe::escaped(exchange.request_id) + ": " +
                       std::string(observe::text(reason));
    if (!detail.empty()) line += ": " + detail;
    observe::log(observe::Level::debug, line);
  }
  return reason;
}

}  // namespace

net::Task<Reason> check_token(Exchange& exchange, const route::Jwt& settings) {
  const FoundToken found = find_token(exchange.request, settings);
  if (found.count == 0) co_return refuse(exchange, Reason::jwt_missing, {});
  if (found.count > 1) co_return refuse(exchange, Reason::jwt_malformed, "more than one");
  if (found.token.size() > settings.token_bytes) {
    co_return refuse(exchange, Reason::jwt_malformed, "larger than token_bytes");
  }
  Judgement judgement = judge(exchange, settings, found.token);
  if (judgement.may_pass_with_newer_keys) {
    const bool has_news = co_await wait_for_keys(exchange, settings);
    const Reason end = end_of_all_tries(exchange);  // the client left, or we do
    if (end != Reason::none) co_return end;
    if (has_news) judgement = judge(exchange, settings, found.token);
  }
  if (judgement.reason != Reason::none) {
    co_return refuse(exchange, judgement.reason, judgement.detail);
  }
  tell_target(exchange, settings, *judgement.token);
  co_return Reason::none;
}

}  // namespace sluice::proxy
