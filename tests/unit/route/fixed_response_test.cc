#include <sys/stat.h>

#include <fstream>

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
  EXPECT_EQ(*response->body, "<b>later</b>\n");
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

class BodyFiles : public ::testing::Test {
 protected:
  BodyFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-body-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~BodyFiles() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

  std::filesystem::path folder_;
};

TEST_F(BodyFiles, are_read_byte_for_byte) {
  const std::string content("a\0b\r\n\xff\n", 7);
  const auto response =
      fixed_response("content_type: text/html, body_file: " + file("page.html", content));
  ASSERT_TRUE(response);
  EXPECT_EQ(*response->body, content);
  EXPECT_EQ(*fixed_response("body_file: " + file("empty", ""))->body, "");
}

TEST_F(BodyFiles, of_16_mib_are_the_largest) {
  const std::string name = file("large", std::string(FixedResponse::body_limit, 'x'));
  ASSERT_TRUE(fixed_response("body_file: " + name));
  std::ofstream(name, std::ios::app) << 'x';
  EXPECT_NE(fixed_response_error("body_file: " + name)
                .find("cannot read '" + name + "': larger than 16 MiB"),
            std::string::npos);
}

TEST_F(BodyFiles, that_cannot_be_read_are_reported_with_why) {
  EXPECT_NE(fixed_response_error("body_file: /nowhere/x")
                .find("fixed_response.body_file: cannot read '/nowhere/x': No such file"),
            std::string::npos);
  EXPECT_NE(fixed_response_error("body_file: " + folder_.string()).find("not a regular file"),
            std::string::npos);
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(fixed_response_error("body_file: " + pipe).find("not a regular file"),
            std::string::npos);
}

TEST_F(BodyFiles, are_not_for_a_status_without_body_nor_beside_another_body) {
  const std::string name = file("page", "x");
  for (const char* status : {"204", "205", "304"}) {
    EXPECT_NE(fixed_response_error("status: " + std::string(status) + ", body_file: " + name)
                  .find("has no body"),
              std::string::npos);
  }
  EXPECT_NE(fixed_response_error("body: x, body_file: " + name)
                .find("fixed_response.body_file: not beside body"),
            std::string::npos);
}

// One table after the other, as a reload builds them.
TEST_F(BodyFiles, with_the_same_content_are_held_once_over_rules_and_reloads) {
  const std::string name = file("page", "first");
  const std::string listener =
      "    rules:\n      - { priority: 1, conditions: [ { path: /a } ], "
      "action: { fixed_response: { body_file: " +
      name + " } } }\n    default_action: { fixed_response: { body_file: " + name + " } }\n";
  config::Problems problems;
  const auto model = load_listener(listener, problems);
  const auto body_of = [](const Table& table, std::size_t rule) {
    return std::get<FixedResponse>(*table.rules().at(rule).action).body;
  };
  const auto first = Table::build(model->listeners[0], groups(), problems);
  ASSERT_TRUE(first) << text_of(problems);
  EXPECT_EQ(body_of(*first, 0), body_of(*first, 1));
  const auto same = Table::build(model->listeners[0], groups(), problems, &*first);
  ASSERT_TRUE(same);
  EXPECT_EQ(body_of(*same, 0), body_of(*first, 0));
  (void)file("page", "second");
  const auto changed = Table::build(model->listeners[0], groups(), problems, &*same);
  ASSERT_TRUE(changed);
  EXPECT_EQ(*body_of(*changed, 0), "second");
  EXPECT_EQ(body_of(*changed, 0), body_of(*changed, 1));
  EXPECT_EQ(*body_of(*same, 0), "first");
}

TEST(FixedResponseAction, a_body_in_the_configuration_may_be_long) {
  const std::string long_body(1024 * 1024, 'x');
  const auto response = fixed_response("body: " + long_body);
  ASSERT_TRUE(response);
  EXPECT_EQ(*response->body, long_body);
}

// ALB: status 2xx, 4xx or 5xx, a body of up to 1024 characters, one of five types. Whatever it
// takes is taken here.
TEST(FixedResponseAction, all_that_alb_takes_is_taken) {
  for (const char* status : {"200", "299", "400", "499", "500", "599"}) {
    EXPECT_TRUE(fixed_response("status: " + std::string(status))) << status;
    EXPECT_TRUE(fixed_response("status: \"" + std::string(status) + "\"")) << status;
  }
  for (const char* type :
       {"text/plain", "text/css", "text/html", "application/javascript", "application/json"}) {
    EXPECT_TRUE(fixed_response("content_type: " + std::string(type))) << type;
  }
  EXPECT_TRUE(fixed_response("body: \"\""));
  EXPECT_TRUE(fixed_response("body: " + std::string(1024, 'x')));
}

TEST(FixedResponseAction, an_unknown_key_is_reported_with_the_nearest_one) {
  const auto action = read_action("fixed_response: { status: 200, bodi: x }");
  EXPECT_NE(action.errors.find("did you mean 'body'?"), std::string::npos) << action.errors;
}

}  // namespace
}  // namespace sluice::route::testing
