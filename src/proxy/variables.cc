#include "proxy/variables.h"

#include <variant>

#include "proxy/amendments.h"
#include "proxy/headers.h"
#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::proxy {

using route::Variable;

namespace {

// Known before the action begins, which is when the request is changed; but one of several groups
// is chosen only then.
std::string_view group_name(const Exchange& exchange) {
  if (exchange.group_settings != nullptr) return exchange.group_settings->name;
  const std::optional<route::Action>& action = exchange.rule->rule->action;
  const auto* forward = action.has_value() ? std::get_if<route::Forward>(&*action) : nullptr;
  const bool is_known = forward != nullptr && forward->groups.size() == 1;
  return is_known ? std::string_view(forward->groups[0].name) : std::string_view();
}

// Of what the target would get without filters: a client's forged X-Real-IP or X-Amzn-Mtls-* is as
// little believed here as there. Several fields are one list (RFC 9110 5.3); crumbs of a cookie are
// joined in their own way (RFC 9113 8.2.3).
void append_field(const Exchange& exchange, std::string_view name, std::string& out) {
  const bool is_cookie = http::field_name(name) == http::FieldName::cookie;
  bool any = false;
  const auto add = [&](std::string_view value) {
    if (any) out += is_cookie ? "; " : ", ";
    any = true;
    out += value;
  };
  const Amendments* amendments = exchange.amendments.get();
  if (amendments == nullptr || !amendments->request.drops(name)) {
    for (const http::Field& field : passing_request_fields(exchange, name)) add(field.value);
    for_each_line(exchange.connection->client_certificate_fields(), [&](const FieldLine& line) {
      if (base::equals_ignoring_case(line.name, name)) add(line.value);
    });
  }
  if (amendments == nullptr) return;
  for_each_line(amendments->request.lines, [&](const FieldLine& line) {
    if (base::equals_ignoring_case(line.name, name)) add(line.value);
  });
}

}  // namespace

void ExchangeVariables::append(Variable variable, std::string_view name, std::string& out) const {
  const Connection& connection = *exchange_.connection;
  const http::RequestHead& request = exchange_.request;
  switch (variable) {
    case Variable::none: break;
    case Variable::client_ip:
      out += exchange_.client_text.empty() ? connection.client_address() : exchange_.client_text;
      break;
    case Variable::client_port: base::append_decimal(out, connection.client().port()); break;
    case Variable::protocol: out += exchange_.scheme(); break;
    case Variable::host: out += http::host_without_port(request.host); break;
    case Variable::method: out += request.method_text; break;
    case Variable::path: out += request.path; break;
    case Variable::query: out += request.query; break;
    case Variable::request_id: out += exchange_.request_id; break;
    case Variable::rule: out += exchange_.rule->rule->name; break;
    case Variable::target_group: out += group_name(exchange_); break;
    case Variable::tls_version: out += connection.stream().tls_version(); break;
    case Variable::tls_cipher: out += connection.stream().tls_cipher(); break;
    case Variable::sni: out += connection.sni(); break;
    case Variable::status:
      if (status_ != 0) base::append_decimal(out, status_);
      break;
    case Variable::header: append_field(exchange_, name, out); break;
  }
}

}  // namespace sluice::proxy
