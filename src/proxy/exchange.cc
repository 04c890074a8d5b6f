#include "sluice/proxy/exchange.h"

#include <variant>

#include "proxy/amendments.h"
#include "proxy/choose_group.h"
#include "proxy/filters.h"
#include "proxy/forward.h"
#include "proxy/headers.h"
#include "proxy/hedge.h"
#include "proxy/identify.h"
#include "proxy/record.h"
#include "proxy/reply.h"
#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::proxy {

using observe::Reason;

namespace {

// RFC 9110 15.5.20: the client shares a connection among hosts, or asks for one host in the
// handshake and for another in the request, and would pass by what that one asks for.
bool is_misdirected(const Exchange& exchange) {
  Connection& connection = *exchange.connection;
  if (!connection.is_tls() || exchange.request.host.empty()) return false;
  const std::string_view host = http::host_without_port(exchange.request.host);
  return !base::equals_ignoring_case(host, connection.sni()) &&
         !connection.stream().serves_authority(host);
}

// Limits and refusals that can be known from the head alone.
Reason admit(const Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  if (is_misdirected(exchange)) return Reason::misdirected_request;
  if (exchange.body_limit != 0 && request.framing == http::Framing::length &&
      request.content_length > exchange.body_limit) {
    return Reason::body_too_large;
  }
  return Reason::none;
}

void route(Exchange& exchange) {
  const route::Table& table = exchange.listener->settings->table;
  const route::MatchInput input{
      .head = exchange.request,
      .client = exchange.client,
      .is_tls = exchange.connection->is_tls(),
      .sni = exchange.connection->sni(),
      .client_certificate = exchange.connection->stream().client_certificate()};
  const route::Rule& rule = table.match(input);
  const auto index = static_cast<std::size_t>(&rule - table.rules().data());
  exchange.rule = &exchange.listener->rules[index];
  exchange.rule_group = &exchange.rule->undecided();
  exchange.body_limit = rule.body_bytes.value_or(exchange.model().limits.body_bytes);
}

// Each action is a coroutine; to choose one takes none.
net::Task<After> act(Exchange& exchange) {
  const std::optional<route::Action>& action = exchange.rule->rule->action;
  if (!action.has_value()) return fail(exchange, Reason::no_rule);
  if (const auto* to = std::get_if<route::Forward>(&*action)) {
    const GroupSession session = choose_group(exchange, *to);
    exchange.timeouts = effective_timeouts(exchange);
    return forward(exchange, session);
  }
  if (const auto* to = std::get_if<route::Redirect>(&*action)) {
    return redirect(exchange, *to);
  }
  const auto& response = std::get<route::FixedResponse>(*action);
  // A 2xx would open a tunnel that nobody is behind (RFC 9110 9.3.6).
  if (!exchange.request.connect_protocol.empty() && response.status < 300) {
    return fail(exchange, Reason::websocket_refused);
  }
  return respond(exchange, response);
}

}  // namespace

net::Task<After> run(Exchange& exchange, Reason defect) {
  exchange.head_complete_at = base::Steady::now();
  exchange.wall = exchange.worker().loop().clock.wall();
  exchange.request_understood = defect == Reason::none;
  identify_client(exchange);
  identify_request(exchange);

  After after = After::close;
  if (defect != Reason::none) {
    after = co_await fail(exchange, defect);
  } else {
    // What follows may be meant for the other protocol: refused or ignored, it must not be read as
    // a request (T6).
    if (exchange.request.wants_upgrade) exchange.request.persistent = false;
    route(exchange);
    exchange.client_side->begin_body();
    exchange.body_begun = true;
    if (exchange.rule->rule->has_filters) exchange.amendments = std::make_unique<Amendments>();
    Reason refused = admit(exchange);
    if (refused == Reason::none && exchange.amendments != nullptr) {
      refused = co_await filter_request(exchange);
    }
    if (refused != Reason::none) {
      after = co_await fail(exchange, refused);
    } else if (exchange.amendments != nullptr && exchange.amendments->answer_status != 0) {
      after = co_await respond_without_body(exchange, exchange.amendments->answer_status);
    } else {
      after = co_await act(exchange);
    }
  }
  record(exchange);
  co_return after;
}

Exchange::Exchange() = default;
Exchange::~Exchange() = default;

H1Server& Exchange::begin(Connection& of, base::SteadyTime first_byte) {
  view = of.slot().view;  // its settings are asked for at once
  connection = &of;
  h1_server.emplace(*this);
  begin(of, *h1_server, first_byte);
  return *h1_server;
}

void Exchange::begin(Connection& of, ClientSide& side, base::SteadyTime first_byte) {
  connection = &of;
  client_side = &side;
  view = of.slot().view;
  listener = of.slot().listener;
  first_byte_at = first_byte;
}

void Exchange::clear() {
  connection = nullptr;
  client_side = nullptr;
  h1_server.reset();
  listener = nullptr;
  request.clear();
  request_head_bytes = 0;
  ends_connections = false;
  request_understood = false;
  client_text.clear();
  peer_is_trusted = false;
  rule = nullptr;
  rule_group = nullptr;
  group = nullptr;
  group_settings = nullptr;
  body_begun = false;
  body_limit = 0;
  amendments.reset();
  upgrade = Upgrade::none;
  kept_head.reset();
  request_id = {};
  pump = Pump::unused;
  request_sent_whole = false;
  stop_pump = false;
  pump_failure = Reason::none;
  continue_sent = false;
  replay.pieces.clear();
  replay.bytes = 0;
  replay.is_kept = replay.is_used = false;
  hedge.reset();
  target.reset();
  reservation.release();
  pool.reset();
  answer.clear();
  target_status = 0;
  tries = 0;
  reused_connection = false;
  is_probe = false;
  tried_count = 0;
  client_left = false;
  total_expired = false;
  try_expired = false;
  deregistered = false;
  total_deadline.reset();
  try_deadline.reset();
  cookie_lines.clear();
  informational_sent = false;
  head_buffer.release();
  answer_begun = false;
  answer_in_one_write = false;
  keep_connection = false;
  status = 0;
  reason = Reason::none;
  received_bytes = 0;
  sent_bytes = 0;
  first_byte_at = head_complete_at = connect_began_at = connected_at = {};
  request_sent_at = answer_head_at = answer_sent_at = {};
  // Last: it may be the last to hold the group, whose cells the pool and its connections count in.
  view.reset();
}

void set_end(Exchange& exchange, Reason reason) {
  // Whatever broke while we cut connections at the end of a drain, we broke it.
  exchange.reason = exchange.worker().is_cutting() ? Reason::shutdown_deadline : reason;
}

EffectiveTimeouts effective_timeouts(const Exchange& exchange) {
  const config::Timeouts& global = exchange.model().timeouts;
  const config::TimeoutOverrides& rule = exchange.rule->rule->timeouts;
  const config::TimeoutOverrides& group = exchange.group_settings->timeouts;
  const auto choose = [&](std::optional<config::Milliseconds> config::TimeoutOverrides::* member,
                          config::Milliseconds fallback) {
    if ((rule.*member).has_value()) return *(rule.*member);
    return (group.*member).value_or(fallback);
  };
  using Overrides = config::TimeoutOverrides;
  return {.connect = choose(&Overrides::connect, global.connect),
          .response_header = choose(&Overrides::response_header, global.response_header),
          .target_idle = choose(&Overrides::target_idle, global.target_idle),
          .per_try = choose(&Overrides::per_try, global.per_try),
          .total = choose(&Overrides::total, global.total)};
}

}  // namespace sluice::proxy
