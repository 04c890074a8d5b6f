#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

bool holds_for_sni(const std::string& condition, std::string_view sni) {
  return holds(condition, [&](Request& request) { request.input.sni = sni; });
}

TEST(SniCondition, the_name_of_the_handshake_is_compared_without_case) {
  EXPECT_TRUE(holds_for_sni("sni: [Shop.example.com]", "shop.example.com"));
  EXPECT_TRUE(holds_for_sni("sni: [a, \"*.example.com\"]", "x.example.com"));
  EXPECT_FALSE(holds_for_sni("sni: \"*.example.com\"", "example.com"));
}

TEST(SniCondition, without_a_name_it_matches_none) {
  EXPECT_FALSE(holds_for_sni("sni: \"*\"", ""));
  EXPECT_FALSE(holds("sni: a.test", [](Request& request) { request.head.host = "a.test"; }));
}

TEST(SniCondition, names_that_no_client_can_ask_for_are_refused) {
  EXPECT_TRUE(has(error_of("sni: \"a.test:443\""), "can never match"));
  EXPECT_TRUE(has(error_of("sni: \"a..test\""), "can never match"));
}

}  // namespace
}  // namespace sluice::route::testing
