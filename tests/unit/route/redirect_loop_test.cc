#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

enum class Verdict { fine, warning, error };

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  return out << (verdict == Verdict::fine      ? "fine"
                 : verdict == Verdict::warning ? "warning"
                                               : "error");
}

// `rules`: lines of rules; `listener`: further keys. The listener is http on port 8080.
Verdict verdict_of(const std::string& listener) {
  config::Problems problems;
  const auto model = load_listener(listener, problems);
  EXPECT_TRUE(model) << text_of(problems);
  if (!model) return Verdict::error;
  const auto table = Table::build(model->listeners[0], groups(), problems);
  const std::string text = text_of(problems);
  if (!table) {
    EXPECT_NE(text.find("redirect: is a loop"), std::string::npos) << text;
    return Verdict::error;
  }
  if (text.empty()) return Verdict::fine;
  EXPECT_NE(text.find("redirect: may be a loop"), std::string::npos) << text;
  return Verdict::warning;
}

// One rule with that condition and redirect; in front of it `first`, whole rules.
Verdict verdict_of_rule(const std::string& conditions, const std::string& redirect,
                        const std::string& first = "") {
  return verdict_of("    rules:\n" + first + "      - { priority: 50, conditions: [ " + conditions +
                    " ], action: { redirect: { " + redirect + " } } }\n");
}

std::string forwards(const std::string& conditions) {
  return "      - { priority: 10, conditions: [ " + conditions + " ], action: { forward: api } }\n";
}

TEST(RedirectLoop, a_path_that_the_rule_itself_catches_is_an_error) {
  EXPECT_EQ(verdict_of_rule("{ path: \"/old*\" }", "path: /older"), Verdict::error);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /maintenance"), Verdict::error);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: /a }, { source_ip: 10.0.0.0/8 }", "path: /a/b"),
            Verdict::error);
  EXPECT_EQ(verdict_of_rule("{ path: /old }", "path: /new"), Verdict::fine);
  EXPECT_EQ(verdict_of("    default_action: { redirect: { path: /new } }\n"), Verdict::error);
}

TEST(RedirectLoop, paths_are_compared_in_their_normal_form) {
  EXPECT_EQ(verdict_of_rule("{ path: /new }", "path: \"/x/..//%6eew\""), Verdict::error);
}

TEST(RedirectLoop, a_rule_in_front_that_takes_the_request_ends_it) {
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /maintenance",
                            forwards("{ path: /maintenance }")),
            Verdict::fine);
  EXPECT_EQ(
      verdict_of_rule("{ path_prefix: / }", "path: /maintenance", forwards("{ path: /other }")),
      Verdict::error);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /maintenance",
                            forwards("{ source_ip: 10.0.0.0/8 }")),
            Verdict::warning);
  EXPECT_EQ(verdict_of("    rules:\n" + forwards("{ path: /new }") +
                       "    default_action: { redirect: { path: /new } }\n"),
            Verdict::fine);
}

TEST(RedirectLoop, what_placeholders_bring_is_only_tried_out_so_it_is_a_warning) {
  EXPECT_EQ(verdict_of_rule("{ path_prefix: /old }", "path: \"/old/new/#{path}\""),
            Verdict::warning);
  EXPECT_EQ(verdict_of_rule("{ path: \"/a/*\" }", "path: \"/a/#{path}\""), Verdict::warning);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: /old }", "path: \"/new/#{path}\""), Verdict::fine);
  EXPECT_EQ(verdict_of("    default_action: { redirect: { path: \"/new/#{path}\" } }\n"),
            Verdict::warning);
}

TEST(RedirectLoop, another_protocol_port_or_host_leads_away) {
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /x, port: 8081"), Verdict::fine);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /x, protocol: https"), Verdict::fine);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /x, host: other.example"), Verdict::fine);
  EXPECT_EQ(verdict_of_rule("{ path_prefix: / }", "path: /x, port: 8080, protocol: http"),
            Verdict::error);
}

}  // namespace
}  // namespace sluice::route::testing
