#include "proxy/upgrade.h"

#include <algorithm>
#include <array>

#include "sluice/base/text.h"
#include "sluice/http/field.h"
#include "sluice/net/digest.h"

namespace sluice::proxy {

using http::Field;
using http::FieldName;
using observe::Reason;

namespace {

constexpr std::string_view supported_version = "13";

bool has_element(const http::Fields& fields, FieldName name, std::string_view wanted) {
  bool found = false;
  for (const Field& field : fields) {
    if (field.known != name) continue;
    http::for_each_element(field.value, [&](std::string_view element) {
      if (base::equals_ignoring_case(element, wanted)) found = true;
    });
  }
  return found;
}

// The only field of that name; empty when there is none, or more than one.
std::string_view only_value(const http::Fields& fields, std::string_view name) {
  const Field* only = nullptr;
  for (const Field& field : fields) {
    if (!base::equals_ignoring_case(field.name, name)) continue;
    if (only != nullptr) return {};
    only = &field;
  }
  return only != nullptr ? only->value : std::string_view{};
}

// Base64 of 16 bytes (RFC 6455 4.1).
bool is_key(std::string_view key) {
  constexpr std::size_t length = 24;
  if (key.size() != length || !key.ends_with("==")) return false;
  return std::ranges::all_of(key.substr(0, length - 2), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

// A key of ours (RFC 6455 4.1) for the HTTP/1 handshake behind a client's extended CONNECT, which
// has none (RFC 8441 5): base64 of 16 random bytes, of which the last character holds two bits.
void make_key(Exchange& exchange) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::string_view last = "AQgw";
  Random& random = exchange.worker().random();
  std::array<char, websocket_key_bytes>& key = exchange.websocket_key;
  for (std::size_t i = 0; i < 21; ++i) key[i] = alphabet[random.next() % alphabet.size()];
  key[21] = last[random.next() % last.size()];
  key[22] = key[23] = '=';
}

Reason judge_connect(Exchange& exchange) {
  const upstream::GroupSettings& group = *exchange.group_settings;
  if (!group.websocket.enabled || group.is_grpc) return Reason::websocket_refused;
  if (only_value(exchange.request.fields, "Sec-WebSocket-Version") != supported_version) {
    return Reason::websocket_version_not_supported;
  }
  make_key(exchange);
  exchange.upgrade = Upgrade::websocket;
  return Reason::none;
}

}  // namespace

Reason judge_upgrade(Exchange& exchange) {
  exchange.upgrade = Upgrade::none;
  const http::RequestHead& request = exchange.request;
  if (!request.connect_protocol.empty()) return judge_connect(exchange);
  if (!request.wants_upgrade || !exchange.group_settings->websocket.enabled) return Reason::none;
  if (!has_element(request.fields, FieldName::upgrade, "websocket")) return Reason::none;
  if (exchange.group_settings->is_grpc) return Reason::websocket_refused;
  if (request.method != http::Method::get) return Reason::websocket_handshake_invalid;
  if (!is_key(only_value(request.fields, "Sec-WebSocket-Key"))) {
    return Reason::websocket_handshake_invalid;
  }
  if (only_value(request.fields, "Sec-WebSocket-Version") != supported_version) {
    return Reason::websocket_version_not_supported;
  }
  exchange.upgrade = Upgrade::websocket;
  return Reason::none;
}

bool begins_tunnel(const Exchange& exchange) {
  const http::ResponseHead& answer = exchange.answer;
  if (!answer.http2) return answer.status == 101;
  return exchange.upgrade == Upgrade::websocket && answer.status >= 200 && answer.status < 300;
}

Reason judge_switch(const Exchange& exchange) {
  // Nobody asked: it answers nothing that was said.
  if (exchange.upgrade == Upgrade::none) return Reason::target_response_malformed;
  const http::Fields& fields = exchange.answer.fields;
  if (exchange.answer.http2) {
    // One that ends with its head, or has no content by its status, answers as an ordinary request
    // is answered: no byte could follow.
    const bool ends =
        exchange.answer.framing == http::Framing::none ||
        (exchange.answer.framing == http::Framing::length && exchange.answer.content_length == 0);
    return ends ? Reason::target_upgrade_invalid : Reason::none;
  }
  const std::string_view own_key(exchange.websocket_key.data(), exchange.websocket_key.size());
  const std::string_view key = exchange.request.connect_protocol.empty()
                                   ? only_value(exchange.request.fields, "Sec-WebSocket-Key")
                                   : own_key;
  const bool accepts = has_element(fields, FieldName::upgrade, "websocket") &&
                       has_element(fields, FieldName::connection, "upgrade") &&
                       only_value(fields, "Sec-WebSocket-Accept") == net::sec_websocket_accept(key);
  return accepts ? Reason::none : Reason::target_upgrade_invalid;
}

}  // namespace sluice::proxy
