// Conditions, actions and tables out of YAML text, as the program reads them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/http/uri.h"
#include "sluice/route/table.h"

namespace sluice::route::testing {

// What was read, or every error in one text.
template <typename Value>
struct Read {
  Value value{};
  std::string errors;
};

inline std::string text_of(const config::Problems& problems) {
  std::string out;
  for (const config::Problem& problem : problems.sorted()) out += problem.text() + '\n';
  return out;
}

inline const GroupLookup& groups() {
  static const GroupLookup lookup({"api", "admin", "frontend"});
  return lookup;
}

// `listener` is YAML text: the keys of a listener but name and bind, indented by four spaces.
inline std::optional<config::Model> load_listener(const std::string& listener,
                                                  config::Problems& problems) {
  return config::load_text(
      "listeners:\n  - name: web\n    bind: \"127.0.0.1:8080\"\n" + listener +
          "\ntarget_groups:\n"
          "  - { name: api, targets: [ { address: \"127.0.0.1:1\" } ] }\n"
          "  - { name: admin, targets: [ { address: \"127.0.0.1:2\" } ] }\n"
          "  - { name: frontend, targets: [ { address: \"127.0.0.1:3\" } ] }\n",
      "test.yaml", problems);
}

// `condition` is YAML in flow style: `path: [/a, /b]`.
inline Read<std::unique_ptr<Condition>> read_condition(const std::string& condition) {
  config::Problems problems;
  Read<std::unique_ptr<Condition>> read;
  const auto model = load_listener("    rules:\n      - priority: 1\n        conditions: [ {" +
                                       condition + "} ]\n        action: { forward: api }\n",
                                   problems);
  if (model) read.value = make_condition(model->listeners[0].rules[0].conditions[0], problems);
  read.errors = text_of(problems);
  return read;
}

// `action` is YAML in flow style: `forward: api`.
inline Read<std::optional<Action>> read_action(const std::string& action) {
  config::Problems problems;
  Read<std::optional<Action>> read;
  const auto model = load_listener("    default_action: { " + action + " }\n", problems);
  if (model) read.value = make_action(*model->listeners[0].default_action, groups(), problems);
  read.errors = text_of(problems);
  return read;
}

// `filter` is YAML in flow style: `ip_access: { allow: [10.0.0.0/8] }`.
inline Read<Filters> read_filter(const std::string& filter) {
  config::Problems problems;
  Read<Filters> read;
  const auto model = load_listener("    filters: { " + filter + " }\n", problems);
  if (model) {
    const config::Listener& listener = model->listeners[0];
    read.value = read_filters(*listener.filters, {}, {groups(), listener}, problems);
  }
  read.errors = text_of(problems);
  return read;
}

// A request for `path`, which is given in normal form, from `client`.
struct Request {
  explicit Request(std::string_view path, std::string_view client = "192.0.2.1") {
    head.path = path;
    input.client = base::IpAddress::parse(client).value();
  }
  http::RequestHead head;
  MatchInput input{.head = head};
};

}  // namespace sluice::route::testing
