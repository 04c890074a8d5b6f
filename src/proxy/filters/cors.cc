#include "proxy/filters/cors.h"

#include <string>
#include <string_view>

#include "proxy/amendments.h"
#include "sluice/base/text.h"

namespace sluice::proxy {

namespace {

constexpr std::string_view asked_method = "Access-Control-Request-Method";
constexpr std::string_view asked_headers = "Access-Control-Request-Headers";
constexpr std::size_t asked_bytes_max = 4096;

std::string_view only_value(const http::Fields& fields, std::string_view name) {
  const http::Field* only = nullptr;
  for (const http::Field& field : fields) {
    if (!base::equals_ignoring_case(field.name, name)) continue;
    if (only != nullptr) return {};
    only = &field;
  }
  return only != nullptr ? only->value : std::string_view{};
}

void append_line(std::string& lines, std::string_view name, std::string_view value) {
  lines.append(name).append(": ").append(value).append("\r\n");
}

// What is sent back as it was asked: names and commas, nothing else.
bool is_list_of_names(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~, ";
  if (text.empty() || text.size() > asked_bytes_max) return false;
  for (const char c : text) {
    const char low = base::lower(c);
    const bool is_plain = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
    if (!is_plain && (c == '\0' || marks.find(c) == std::string_view::npos)) return false;
  }
  return true;
}

// A permission: the configured list, or all that is asked for.
void append_permission(const Exchange& exchange, std::string_view name,
                       const std::optional<std::string>& configured, std::string_view asked_name,
                       std::string& lines) {
  if (configured.has_value()) {
    if (!configured->empty()) append_line(lines, name, *configured);
    return;
  }
  const std::string_view asked = only_value(exchange.request.fields, asked_name);
  if (is_list_of_names(asked)) append_line(lines, name, asked);
  append_line(lines, "Vary", asked_name);
}

// The target's answer says so already.
bool varies_by_origin(const Exchange& exchange) {
  if (exchange.amendments->is_own_answer) return false;
  bool found = false;
  for (const http::Field& field : exchange.answer.fields) {
    if (!base::equals_ignoring_case(field.name, "Vary")) continue;
    http::for_each_element(field.value, [&found](std::string_view element) {
      found = found || element == "*" || base::equals_ignoring_case(element, "Origin");
    });
  }
  return found && !exchange.amendments->answer.drops("Vary");
}

}  // namespace

bool is_preflight(const Exchange& exchange) {
  const http::Fields& fields = exchange.request.fields;
  return exchange.request.method == http::Method::options && fields.find("Origin") != nullptr &&
         fields.find(asked_method) != nullptr;
}

void answer_preflight(Exchange& exchange, const route::Cors& cors) {
  Amendments& amendments = *exchange.amendments;
  amendments.answer_status = 204;
  // The rest follows with the fields of every answer.
  if (!cors.allows(only_value(exchange.request.fields, "Origin"))) return;
  std::string& lines = amendments.refusal_lines;
  append_permission(exchange, "Access-Control-Allow-Methods", cors.methods, asked_method, lines);
  append_permission(exchange, "Access-Control-Allow-Headers", cors.headers, asked_headers, lines);
  if (cors.max_age) {
    append_line(lines, "Access-Control-Max-Age", std::to_string(cors.max_age->count()));
  }
}

void add_cors_fields(Exchange& exchange, const route::Cors& cors) {
  HeadAmendments& answer = exchange.amendments->answer;
  const std::string_view origin = only_value(exchange.request.fields, "Origin");
  const bool allowed = cors.allows(origin);
  std::string lines;
  if (cors.any_origin) {
    append_line(lines, "Access-Control-Allow-Origin", "*");
  } else {
    if (allowed) append_line(lines, "Access-Control-Allow-Origin", origin);
    if (!varies_by_origin(exchange)) append_line(lines, "Vary", "Origin");
  }
  if (allowed && cors.credentials) {
    append_line(lines, "Access-Control-Allow-Credentials", "true");
  }
  if (allowed && !cors.expose.empty() && exchange.amendments->answer_status == 0) {
    append_line(lines, "Access-Control-Expose-Headers", cors.expose);
  }
  for (const char* name : {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
                           "Access-Control-Expose-Headers", "Access-Control-Allow-Methods",
                           "Access-Control-Allow-Headers", "Access-Control-Max-Age",
                           "Access-Control-Allow-Private-Network"}) {
    answer.drop(name);
  }
  answer.lines += lines;
}

}  // namespace sluice::proxy
