#include "proxy/filters/jwt.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "proxy/amendments.h"
#include "proxy/filters/token_cache.h"
#include "sluice/base/text.h"
#include "sluice/http/cookie.h"
#include "sluice/net/deadline.h"
#include "sluice/observe/log.h"
#include "sluice/route/filters/jwt_token.h"

namespace sluice::proxy {
namespace {

using observe::Reason;
using route::TokenFault;
using route::TokenPlace;

constexpr std::size_t waiting_max = 1000;  // per worker
constexpr std::chrono::milliseconds look_interval{20};
constexpr std::chrono::milliseconds patience_beyond_fetch{1000};

// --- finding it ---------------------------------------------------------------------------------

struct Found {
  std::string_view token;
  std::size_t count = 0;

  void add(std::string_view one) {
    token = one;
    ++count;
  }
};

// Credentials of another scheme are no token (RFC 6750 2.1).
Found in_authorization(const http::Fields& fields) {
  constexpr std::string_view scheme = "bearer";
  Found found;
  std::size_t fields_seen = 0;
  for (const http::Field& field : fields) {
    if (field.known != http::FieldName::authorization) continue;
    ++fields_seen;
    const std::size_t end = field.value.find(' ');
    if (end == std::string_view::npos) continue;
    if (!base::equals_ignoring_case(field.value.substr(0, end), scheme)) continue;
    found.add(base::trim(field.value.substr(end)));
  }
  // Which of two fields a target reads, nobody knows.
  if (found.count > 0) found.count = fields_seen;
  return found;
}

Found in_header(const http::Fields& fields, std::string_view name) {
  Found found;
  for (const http::Field& field : fields) {
    if (base::equals_ignoring_case(field.name, name)) found.add(field.value);
  }
  return found;
}

Found in_cookies(const http::Fields& fields, std::string_view name) {
  Found found;
  http::CookieValues values(fields, name);
  while (const auto value = values.next()) found.add(*value);
  return found;
}

int hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char folded = base::lower(c);
  return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

// A target may decode names of parameters: `%74oken` is `token` to it.
bool is_parameter(std::string_view piece, std::string_view name) {
  piece = piece.substr(0, piece.find('='));
  std::string decoded;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (piece[i] == '%' && i + 2 < piece.size() && hexadecimal(piece[i + 1]) >= 0 &&
        hexadecimal(piece[i + 2]) >= 0) {
      decoded += static_cast<char>(hexadecimal(piece[i + 1]) * 16 + hexadecimal(piece[i + 2]));
      i += 2;
    } else {
      decoded += piece[i];
    }
  }
  return decoded == name;
}

// `visit(piece)` for each "name=value".
template <typename Visit>
void for_each_parameter(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    visit(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

Found in_query(std::string_view query, std::string_view name) {
  Found found;
  for_each_parameter(query, [&](std::string_view piece) {
    if (!is_parameter(piece, name)) return;
    const std::size_t equals = piece.find('=');
    found.add(equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1));
  });
  return found;
}

Found find_token(const http::RequestHead& request, const route::Jwt& settings) {
  switch (settings.place) {
    case TokenPlace::authorization: return in_authorization(request.fields);
    case TokenPlace::header: return in_header(request.fields, settings.place_name);
    case TokenPlace::cookie: return in_cookies(request.fields, settings.place_name);
    case TokenPlace::query: return in_query(request.query, settings.place_name);
  }
  return {};
}

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
net::Task<bool> wait_for_keys(Exchange& exchange, route::KeySource& source) {
  Worker& worker = exchange.worker();
  net::Loop& loop = worker.loop();
  const std::uint64_t before = source.fetches();
  if (worker.tokens().waiting >= waiting_max || !source.ask_for_fetch(loop.clock.now())) {
    co_return source.fetches() != before;
  }
  const CountedWait counted(worker.tokens().waiting);
  const base::SteadyTime end = loop.clock.now() + source.settings().timeout + patience_beyond_fetch;
  while (source.fetches() == before && loop.clock.now() < end && !worker.is_cutting()) {
    net::WaitSlot slot;
    net::Deadline deadline(loop.deadlines, expire, &slot);
    deadline.set(look_interval);
    const net::Wake wake = co_await slot.wait();
    (void)wake;
  }
  co_return source.fetches() != before;
}

// --- telling the target -------------------------------------------------------------------------

// The same name once every byte that is neither letter nor digit counts as '-' (T10).
bool is_alias(std::string_view name, std::string_view of) {
  const auto folded = [](char c) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (base::lower(c) >= 'a' && base::lower(c) <= 'z');
    return is_plain ? base::lower(c) : '-';
  };
  return std::ranges::equal(name, of, {}, folded, folded);
}

void drop(const http::Fields& fields, std::string_view name, HeadAmendments& head) {
  for (const http::Field& field : fields) {
    if (is_alias(field.name, name)) head.dropped.emplace_back(field.name);
  }
}

std::string cookies_without(const http::Fields& fields, std::string_view name) {
  std::string rest;
  for (const http::Field& field : fields) {
    if (field.known != http::FieldName::cookie) continue;
    std::string_view text = field.value;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(';'), text.size());
      const std::string_view pair = base::trim(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (pair.empty() || base::trim(pair.substr(0, pair.find('='))) == name) continue;
      if (!rest.empty()) rest += "; ";
      rest += pair;
    }
  }
  return rest;
}

void hide_token(const http::RequestHead& request, const route::Jwt& settings,
                Amendments& amendments) {
  HeadAmendments& head = amendments.request;
  switch (settings.place) {
    case TokenPlace::authorization: head.dropped.emplace_back("Authorization"); return;
    case TokenPlace::header: drop(request.fields, settings.place_name, head); return;
    case TokenPlace::cookie: {
      const std::string rest = cookies_without(request.fields, settings.place_name);
      head.dropped.emplace_back("Cookie");
      if (!rest.empty()) head.lines.append("Cookie: ").append(rest).append("\r\n");
      return;
    }
    case TokenPlace::query:
      amendments.query =
          query_without(amendments.query ? std::string_view(*amendments.query) : request.query,
                        settings.place_name);
      return;
  }
}

void tell_target(Exchange& exchange, const route::Jwt& settings,
                 const route::VerifiedToken& token) {
  Amendments& amendments = *exchange.amendments;
  amendments.claims = route::texts_of_claims(token);
  for (const route::ClaimHeader& mapped : settings.headers) {
    // The client's own, whether the token has the claim or not.
    drop(exchange.request.fields, mapped.header, amendments.request);
    const auto claim = std::ranges::find(amendments.claims, mapped.claim,
                                         &std::pair<std::string, std::string>::first);
    if (claim == amendments.claims.end()) continue;
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
  const Found found = find_token(exchange.request, settings);
  if (found.count == 0) co_return refuse(exchange, Reason::jwt_missing, {});
  if (found.count > 1) co_return refuse(exchange, Reason::jwt_malformed, "more than one");
  if (found.token.size() > settings.token_bytes) {
    co_return refuse(exchange, Reason::jwt_malformed, "larger than token_bytes");
  }
  Judgement judgement = judge(exchange, settings, found.token);
  if (judgement.may_pass_with_newer_keys) {
    const bool has_news = co_await wait_for_keys(exchange, *settings.keys);
    if (has_news) judgement = judge(exchange, settings, found.token);
  }
  if (judgement.reason != Reason::none) {
    co_return refuse(exchange, judgement.reason, judgement.detail);
  }
  tell_target(exchange, settings, *judgement.token);
  co_return Reason::none;
}

std::string query_without(std::string_view query, std::string_view name) {
  std::string rest;
  for_each_parameter(query, [&](std::string_view piece) {
    if (is_parameter(piece, name)) return;
    if (!rest.empty()) rest += '&';
    rest += piece;
  });
  return rest;
}

std::string target_without_token(std::string_view target, const route::Jwt& settings) {
  const std::size_t question = target.find('?');
  if (question == std::string_view::npos) return std::string(target);
  std::string text(target.substr(0, question + 1));
  bool is_first = true;
  for_each_parameter(target.substr(question + 1), [&](std::string_view piece) {
    if (!std::exchange(is_first, false)) text += '&';
    const bool is_token = is_parameter(piece, settings.place_name);
    text += is_token ? piece.substr(0, piece.find('=')) : piece;
    if (is_token) text += "=-";
  });
  return text;
}

}  // namespace sluice::proxy
