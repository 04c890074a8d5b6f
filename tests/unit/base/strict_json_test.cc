#include "sluice/base/strict_json.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::base {
namespace {

bool is_accepted(const std::string& text, std::size_t depth = 4) {
  return parse_strict_json(text, {.bytes = 64, .depth = depth}).has_value();
}

TEST(StrictJson, reads_what_rfc_8259_allows) {
  for (const char* text : {"{}", "[]", "1", "null", "\"a\"", " {\"a\": [1, 2.5, true]} ",
                           R"({"a":{"b":1},"c":{"b":1}})", R"("\u00e9")"}) {
    EXPECT_TRUE(is_accepted(text)) << text;
  }
}

TEST(StrictJson, refuses_what_readers_disagree_on) {
  for (const char* text :
       {"", "{", "{} x", "{}{}", "{a:1}", "{\"a\":1,}", "[1,]", "// c\n{}", "{\"a\":01}", "NaN",
        "'a'", "\"\xff\"", R"({"a":1,"a":2})", R"({"a":{"b":1,"b":1}})", R"({"a":1,"\u0061":2})",
        R"([{"x":1,"y":2,"x":3}])"}) {
    EXPECT_FALSE(is_accepted(text)) << text;
  }
}

TEST(StrictJson, is_bounded_in_depth_and_bytes) {
  EXPECT_TRUE(is_accepted("[[[[]]]]", 4));
  EXPECT_FALSE(is_accepted("[[[[[]]]]]", 4));
  EXPECT_TRUE(is_accepted('"' + std::string(62, 'a') + '"'));
  EXPECT_FALSE(is_accepted('"' + std::string(63, 'a') + '"'));
}

}  // namespace
}  // namespace sluice::base
