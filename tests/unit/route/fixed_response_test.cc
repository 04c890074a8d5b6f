#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

std::optional<FixedResponse> fixed_response(const std::string& keys) {
  const auto action = read_action("fixed_response: { " + keys + " }");
  EXPECT_EQ(action.errors, "");
  if (!action.value || !std::holds_alternative<FixedResponse>(*action.value)) return std::nullopt;
  return std::get<FixedResponse>(*action.value);
}

std::string fixed_response_error(const std::string& keys) {
  const auto action = read_action("fixed_response: { " + keys + " }");
  EXPECT_FALSE(action.value);
  return action.errors;
}

TEST(FixedResponseAction, all_keys_are_read) {
  const auto response = fixed_response(
      "status: 503, content_type: text/html; charset=utf-8, body: \"<b>later</b>\\n\"");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(response->body, "<b>later</b>\n");
}

TEST(FixedResponseAction, the_default_is_an_empty_plain_200) {
  const auto response = fixed_response("body: ok");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->content_type, "text/plain");
}

TEST(FixedResponseAction, the_status_is_a_final_one) {
  for (const char* status : {"199", "100", "600", "OK", "-1"}) {
    EXPECT_NE(fixed_response_error("status: " + std::string(status)).find("from 200 to 599"),
              std::string::npos)
        << status;
  }
}

TEST(FixedResponseAction, a_status_without_body_takes_none) {
  for (const char* status : {"204", "205", "304"}) {
    EXPECT_NE(fixed_response_error("body: x, status: " + std::string(status)).find("has no body"),
              std::string::npos)
        << status;
  }
  EXPECT_TRUE(fixed_response("status: 204, body: \"\""));
}

TEST(FixedResponseAction, a_content_type_cannot_end_the_field_line) {
  for (const char* type :
       {"\"text/plain\\r\\nX: y\"", "\"text/plain\\n\"", "text", "/plain", "text/", "\"\""}) {
    EXPECT_NE(fixed_response_error("content_type: " + std::string(type)).find("media type"),
              std::string::npos)
        << type;
  }
}

TEST(FixedResponseAction, a_body_of_64_kib_is_the_longest) {
  EXPECT_TRUE(fixed_response("body: " + std::string(64 * 1024, 'x')));
  EXPECT_NE(fixed_response_error("body: " + std::string(64 * 1024 + 1, 'x')).find("65536"),
            std::string::npos);
}

TEST(FixedResponseAction, an_unknown_key_is_reported_with_the_nearest_one) {
  const auto action = read_action("fixed_response: { status: 200, bodi: x }");
  EXPECT_NE(action.errors.find("did you mean 'body'?"), std::string::npos) << action.errors;
}

}  // namespace
}  // namespace sluice::route::testing
