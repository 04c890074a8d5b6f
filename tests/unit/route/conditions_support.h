// A condition of one kind, asked about requests.
#pragma once

#include "unit/route/route_support.h"

namespace sluice::route::testing {

// Whether `condition`, YAML in flow style, holds for a request that `prepare(request)` makes of
// `/`. Fails the test when it cannot be read.
template <typename Prepare>
bool holds(const std::string& condition, Prepare prepare) {
  const auto read = read_condition(condition);
  EXPECT_EQ(read.errors, "") << condition;
  Request request("/");
  prepare(request);
  return read.value != nullptr && read.value->matches(request.input);
}

inline bool holds_for_path(const std::string& condition, std::string_view path) {
  return holds(condition, [&](Request& request) { request.head.path = path; });
}
inline bool holds_for_host(const std::string& condition, std::string_view host) {
  return holds(condition, [&](Request& request) { request.head.host = host; });
}
inline bool holds_for_method(const std::string& condition, std::string_view method) {
  return holds(condition, [&](Request& request) { request.head.method_text = method; });
}
inline bool holds_for_query(const std::string& condition, std::string_view query) {
  return holds(condition, [&](Request& request) { request.head.query = query; });
}
using FieldLines = std::vector<std::pair<std::string_view, std::string_view>>;
inline bool holds_for_fields(const std::string& condition, const FieldLines& lines) {
  return holds(condition, [&](Request& request) {
    for (const auto& [name, value] : lines) request.head.fields.add(name, value);
  });
}
inline bool holds_for_client(const std::string& condition, std::string_view client) {
  return holds(condition, [&](Request& request) {
    request.input.client = base::IpAddress::parse(client).value();
  });
}

// What is wrong with it; fails the test when nothing is.
inline std::string error_of(const std::string& condition) {
  const auto read = read_condition(condition);
  EXPECT_EQ(read.value, nullptr) << condition;
  EXPECT_NE(read.errors, "") << condition;
  return read.errors;
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace sluice::route::testing
