#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

std::optional<Table> build(const std::string& rules) {
  config::Problems problems;
  const auto model = load_listener("    rules:\n" + rules, problems);
  std::optional<Table> table;
  if (model) table = Table::build(model->listeners[0], groups(), problems);
  EXPECT_TRUE(table) << text_of(problems);
  return table;
}

TEST(Explanation, it_lists_the_rules_up_to_the_one_that_decides_with_what_they_compared) {
  const auto table = build(R"(
      - { name: late, priority: 30, conditions: [ { path: /late } ], action: { forward: api } }
      - { name: shop, priority: 10, action: { forward: api },
          conditions: [ { host: [shop.test, "*.shop.test"] }, { path_prefix: /cart } ] }
      - { name: beta, priority: 20, action: { forward: api },
          conditions: [ { header: { name: X-Env, values: [beta] } } ] }
)");
  ASSERT_TRUE(table);
  Request request("/cart/1");
  request.head.host = "Other.test:80";
  request.head.fields.add("x-env", "alpha");
  request.head.fields.add("X-Env", "BETA");
  const Explanation expected{
      {"shop",
       10,
       {{"host: shop.test, *.shop.test", "\"Other.test\"", false},
        {"path_prefix: /cart", "\"/cart/1\"", true}},
       false},
      {"beta", 20, {{"header X-Env: beta", "\"alpha\", \"BETA\"", true}}, true}};
  EXPECT_EQ(table->explain(request.input), expected);
}

TEST(Explanation, the_default_rule_is_the_last_when_no_other_decides) {
  const auto table = build(
      "      - { name: a, priority: 1, conditions: [ { cookie: { name: c } } ], action: { forward: "
      "api } }\n");
  ASSERT_TRUE(table);
  const Request request("/");
  const Explanation expected{{"a", 1, {{"cookie c: *", "nothing", false}}, false},
                             {"default", 0, {}, true}};
  EXPECT_EQ(table->explain(request.input), expected);
}

// In the order of the table of conditions: each says what it asks for and what it found.
TEST(Explanation, every_kind_of_condition_describes_itself) {
  Request request("/x", "192.0.2.7");
  request.head.host = "a.test";
  request.head.method_text = "GET";
  request.head.query = "k=v";
  request.input.sni = "s.test";
  net::ClientCertificate certificate;
  certificate.subject = "CN=alice";
  certificate.is_verified = true;
  request.input.client_certificate = &certificate;
  const std::vector<std::tuple<const char*, const char*, const char*>> rows{
      {"host: { regex: \"^a\" }", "host: regex ^a", "\"a.test\""},
      {"path: [/x, \"/y*\"]", "path: /x, /y*", "\"/x\""},
      {"path_prefix: /", "path_prefix: /", "\"/x\""},
      {"path_regex: x", "path_regex: regex x", "\"/x\""},
      {"method: GET", "method: GET", "\"GET\""},
      {"header: { name: Y, values: z }", "header Y: z", "nothing"},
      {"query: [ { key: k, value: v }, { value: w } ]", "query: k=v, w", "\"k=v\""},
      {"cookie: { name: c, values: d }", "cookie c: d", "nothing"},
      {"source_ip: 192.0.2.0/24", "source_ip: 192.0.2.0/24", "192.0.2.7"},
      {"sni: s.test", "sni: s.test", "\"s.test\""},
      {"client_certificate: { subject: \"CN=a*\", dns: d }",
       "all (client_certificate subject: CN=a*; client_certificate dns: d)",
       "\"CN=alice\"; nothing"},
      {"not: { path: /y }", "not (path: /y)", "\"/x\""},
      {"any: [ { path: /y }, { method: PUT } ]", "any (path: /y; method: PUT)", "\"/x\"; \"GET\""},
  };
  EXPECT_EQ(rows.size(), condition_names().size());
  for (const auto& [condition, text, compared] : rows) {
    const auto read = read_condition(condition);
    ASSERT_NE(read.value, nullptr) << read.errors;
    EXPECT_EQ(read.value->text(), text);
    EXPECT_EQ(read.value->compared(request.input), compared) << condition;
  }
}

}  // namespace
}  // namespace sluice::route::testing
