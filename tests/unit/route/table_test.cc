#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

Read<std::optional<Table>> build(const std::string& listener) {
  config::Problems problems;
  Read<std::optional<Table>> read;
  const auto model = load_listener(listener, problems);
  if (model) read.value = Table::build(model->listeners[0], groups(), problems);
  read.errors = text_of(problems);
  return read;
}

// The rules are written out of order on purpose.
constexpr const char* site = R"(
    rules:
      - name: wide
        priority: 30
        conditions: [ { path_prefix: / } ]
        action: { forward: frontend }
      - name: api
        priority: 10
        conditions: [ { path_prefix: /api } ]
        action: { forward: api }
        timeouts: { response_header: 5s }
        body_limit: 1MiB
      - name: admin
        priority: 20
        conditions:
          - path: ["/admin", "/admin/*"]
          - source_ip: [10.0.0.0/8]
        action: { forward: admin }
    default_action: { fixed_response: { status: 404 } }
)";

std::string name_of_match(const Table& table, std::string_view path, std::string_view client) {
  const Request request(path, client);
  return table.match(request.input).name;
}

TEST(Table, the_lowest_priority_whose_conditions_all_hold_decides) {
  const auto table = build(site);
  ASSERT_TRUE(table.value) << table.errors;
  EXPECT_EQ(name_of_match(*table.value, "/api/x", "192.0.2.1"), "api");
  EXPECT_EQ(name_of_match(*table.value, "/admin/x", "10.0.0.1"), "admin");
  EXPECT_EQ(name_of_match(*table.value, "/admin/x", "192.0.2.1"), "wide");
}

TEST(Table, the_default_rule_decides_when_no_other_does) {
  const auto table = build(site);
  ASSERT_TRUE(table.value) << table.errors;
  const Request request("*");
  const Rule& rule = table.value->match(request.input);
  EXPECT_EQ(rule.name, "default");
  EXPECT_EQ(rule.priority, 0u);
  ASSERT_TRUE(rule.action);
  EXPECT_EQ(std::get<FixedResponse>(*rule.action).status, 404);
}

TEST(Table, a_listener_without_rules_and_default_action_has_a_default_rule_without_action) {
  const auto table = build("");
  ASSERT_TRUE(table.value) << table.errors;
  const Request request("/");
  EXPECT_EQ(table.value->match(request.input).name, "default");
  EXPECT_FALSE(table.value->match(request.input).action);
  EXPECT_EQ(table.value->rules().size(), 1u);
}

TEST(Table, rules_are_listed_by_priority_with_their_overrides) {
  const auto table = build(site);
  ASSERT_TRUE(table.value) << table.errors;
  const std::vector<Rule>& rules = table.value->rules();
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0].name, "api");
  EXPECT_EQ(rules[1].name, "admin");
  EXPECT_EQ(rules[2].name, "wide");
  EXPECT_EQ(rules[3].name, "default");
  EXPECT_EQ(rules[0].timeouts.response_header, std::chrono::seconds(5));
  EXPECT_FALSE(rules[1].timeouts.response_header);
  EXPECT_EQ(rules[0].body_bytes, config::mebibyte);
}

TEST(Table, all_mistakes_are_reported_at_once_with_their_places) {
  const auto table = build(R"(
    rules:
      - name: a
        priority: 1
        conditions: [ { paht: /x }, { path: y } ]
        action: { forward: nobody }
      - name: b
        priority: 2
        conditions: [ { host: example..com } ]
        action: { forword: api }
    default_action: { redirect: {}, forward: api }
)");
  EXPECT_FALSE(table.value);
  for (const char* expected :
       {"listeners[0].rules[0].conditions[0].paht: unknown key; did you mean 'path'?",
        "listeners[0].rules[0].conditions[1].path: must begin with",
        "listeners[0].rules[0].action.forward: no target group 'nobody'",
        "listeners[0].rules[1].conditions[0].host: can never match",
        "listeners[0].rules[1].action.forword: unknown key; did you mean 'forward'?",
        "listeners[0].default_action: must be a mapping with exactly one of forward"}) {
    EXPECT_NE(table.errors.find(expected), std::string::npos) << expected << "\nin\n"
                                                              << table.errors;
  }
  EXPECT_NE(table.errors.find("test.yaml:8:"), std::string::npos) << table.errors;
}

// The listener is http on port 8080.
TEST(Table, a_redirect_back_to_its_own_listener_is_refused_as_a_loop) {
  const auto loops = [](const std::string& keys) {
    return build("    default_action: { redirect: { " + keys + " } }\n").errors.find("is a loop") !=
           std::string::npos;
  };
  EXPECT_TRUE(loops("protocol: http"));
  EXPECT_TRUE(loops("port: 8080"));
  EXPECT_TRUE(loops("protocol: http, port: 8080, query: \"a=b\""));
  EXPECT_FALSE(loops("port: 8081"));
  EXPECT_FALSE(loops("protocol: https, port: 8080"));
  EXPECT_FALSE(loops("host: other.example"));
}

TEST(Table, a_redirect_from_https_to_http_is_warned_about) {
  const auto table = build(
      "    tls: { certificates: [ { cert: a.crt, key: a.key } ] }\n"
      "    default_action: { redirect: { protocol: http, port: 80 } }\n");
  EXPECT_TRUE(table.value) << table.errors;
  EXPECT_NE(table.errors.find("plain HTTP"), std::string::npos) << table.errors;
}

}  // namespace
}  // namespace sluice::route::testing
