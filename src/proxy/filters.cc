#include "proxy/filters.h"

#include "proxy/amendments.h"
#include "proxy/filters/basic_auth.h"
#include "proxy/filters/cors.h"
#include "proxy/filters/forward_auth.h"
#include "proxy/filters/header_edits.h"
#include "proxy/filters/jwt.h"
#include "proxy/filters/rate_limit.h"
#include "proxy/filters/rewrite.h"

namespace sluice::proxy {

using observe::Reason;

// The order in which kinds run, which users rely on: who comes from the wrong place is refused
// first, and what costs most is last.
net::Task<Reason> filter_request(Exchange& exchange) {
  const route::Filters& filters = exchange.rule->rule->filters;
  if (filters.ip_access != nullptr && !filters.ip_access->admits(exchange.client)) {
    co_return Reason::address_not_admitted;
  }
  if (filters.cors != nullptr && is_preflight(exchange)) {
    answer_preflight(exchange, *filters.cors);
    co_return Reason::none;
  }
  if (filters.rate_limit != nullptr) {
    const Reason reason = limit_rate(exchange, RateLimitPhase::before_authentication);
    if (reason != Reason::none) co_return reason;
  }
  if (filters.basic_auth != nullptr) {
    const Reason refused = co_await check_password(exchange, *filters.basic_auth);
    if (refused != Reason::none) co_return refused;
  }
  if (filters.jwt != nullptr) {
    const Reason refused = co_await check_token(exchange, *filters.jwt);
    if (refused != Reason::none) co_return refused;
  }
  if (filters.forward_auth != nullptr) {
    const Reason refused = co_await ask_service(exchange, *filters.forward_auth);
    if (refused != Reason::none) co_return refused;
  }
  // Behind whoever authenticates: only then the claims are known, and true.
  if (filters.rate_limit != nullptr) {
    const Reason reason = limit_rate(exchange, RateLimitPhase::by_claim);
    if (reason != Reason::none) co_return reason;
  }
  if (filters.rewrite != nullptr && !rewrite_request(exchange, *filters.rewrite)) {
    co_return Reason::rewrite_failed;
  }
  if (filters.request_headers != nullptr && !edit_request(exchange, *filters.request_headers)) {
    co_return Reason::amended_head_too_large;
  }
  co_return Reason::none;
}

void filter_answer(Exchange& exchange, std::uint16_t status) {
  Amendments& amendments = *exchange.amendments;
  if (amendments.answer_before) {
    amendments.answer = *amendments.answer_before;
  } else {
    amendments.answer_before = amendments.answer;
  }
  if (!amendments.is_own_answer) amendments.answer.add(amendments.content);
  const route::Filters& filters = exchange.rule->rule->filters;
  if (filters.response_headers != nullptr) {
    edit_answer(exchange, *filters.response_headers, status);
  }
  if (filters.cors != nullptr) add_cors_fields(exchange, *filters.cors);
  // Behind the edits, which may have set the field for other reasons.
  if (amendments.varies_by_coding && !amendments.is_own_answer) {
    amendments.answer.lines += "Vary: Accept-Encoding\r\n";
  }
}

}  // namespace sluice::proxy
