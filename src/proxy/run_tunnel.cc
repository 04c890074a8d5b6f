#include <cstring>
#include <string>
#include <utility>

#include "proxy/headers.h"
#include "proxy/target_try.h"
#include "proxy/tunnel.h"
#include "sluice/upstream/h2_channel.h"

namespace sluice::proxy {

using net::Transfer;
using observe::Reason;

namespace {

// What one tunnel of a target's HTTP/2 connection may hold for a client that does not read. As many
// as share a connection by default (128) fit into its window of 32 MiB, so that they do not hold
// back the other streams.
constexpr std::uint32_t target_window_bytes = 256 * 1024;

// Of a head with all its fields, in 16 KiB, what the line of the access log needs at the end: a
// copy of these few texts takes its place for as long as the tunnel lasts.
void keep_for_log(Exchange& exchange) {
  const http::RequestHead former = std::exchange(exchange.request, {});
  http::RequestHead& kept = exchange.request;
  const std::string_view user_agent = former.fields.value(http::FieldName::user_agent);
  const std::string_view referer = former.fields.value(http::FieldName::referer);
  const bool has_own_id = exchange.request_id.data() == exchange.request_id_storage.data();
  const std::string_view id = has_own_id ? std::string_view() : exchange.request_id;
  exchange.kept_head = std::make_unique_for_overwrite<char[]>(
      former.method_text.size() + former.host.size() + former.target.size() + user_agent.size() +
      referer.size() + id.size());
  char* end = exchange.kept_head.get();
  const auto keep = [&end](std::string_view text) {
    const std::string_view copy(end, text.size());
    if (!text.empty()) std::memcpy(end, text.data(), text.size());
    end += text.size();
    return copy;
  };
  kept.method = former.method;
  kept.minor_version = former.minor_version;
  kept.http2 = former.http2;
  kept.desync = former.desync;
  kept.method_text = keep(former.method_text);
  kept.host = keep(former.host);
  kept.target = keep(former.target);
  if (!user_agent.empty()) kept.fields.add("User-Agent", keep(user_agent));
  if (!referer.empty()) kept.fields.add("Referer", keep(referer));
  if (!has_own_id) exchange.request_id = keep(id);
}

net::Task<bool> send_switch(Exchange& exchange) {
  write_switching_head(exchange);
  upstream::Sender& sender = exchange.client_side->sender();
  exchange.answer_begun = true;
  exchange.status = exchange.client_side->is_http2() ? 200 : 101;
  sender.set_head(exchange.head_buffer.unread(), false);
  Transfer sent = sender.start();
  exchange.answer_sent_at = base::Steady::now();
  if (sender.is_unfinished()) sent = co_await sender.finish();
  exchange.head_buffer.release();
  if (sent != Transfer::ok) set_end(exchange, client_write_failure(sent));
  co_return sent == Transfer::ok;
}

// The exchange as small as it can be: it may last for days.
net::Buffer slim(Exchange& exchange) {
  keep_for_log(exchange);
  exchange.answer = {};
  exchange.cookie_lines = {};
  if (exchange.client_side->is_http2()) return {};
  net::Buffer& received = exchange.connection->received;
  received.consume(exchange.request_head_bytes);
  return std::move(received);
}

}  // namespace

net::Task<After> run_tunnel(Exchange& exchange) {
  exchange.total_deadline.reset();
  const bool switched = co_await send_switch(exchange);
  count_try(exchange, *exchange.target, exchange.target_status);
  if (switched) {
    if (upstream::H2Channel* const channel = exchange.target->channel(); channel != nullptr) {
      channel->bound_window(target_window_bytes);
    }
    net::Buffer from_target = exchange.target->take_upgraded_bytes();
    net::Buffer from_client = slim(exchange);
    Tunnel tunnel(exchange);
    co_await tunnel.run(std::move(from_client), std::move(from_target));
    if (tunnel.reason() != Reason::none) set_end(exchange, tunnel.reason());
    exchange.worker()
        .cells()
        .counter(observe::Metric::tunnel_ends_total,
                 {exchange.group_settings->name, observe::text(exchange.reason)})
        .add();
  }
  exchange.target.reset();
  exchange.reservation.release();
  co_return After::close;
}

}  // namespace sluice::proxy
