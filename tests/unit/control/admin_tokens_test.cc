// Bearer tokens of the admin listener.
#include "control/admin_tokens.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/admin_api.h"

namespace sluice::control {
namespace {

constexpr std::string_view writer = "write-token-0123456789";
constexpr std::string_view reader = "read-token-0123456789";

std::string problems_of(std::string_view text) {
  config::Problems problems;
  const auto tokens = AdminTokens::parse(text, "f", {}, problems);
  EXPECT_EQ(tokens == nullptr, problems.has_errors());
  std::string all;
  for (const config::Problem& problem : problems.sorted()) all += problem.text() + "\n";
  return all;
}

std::shared_ptr<const AdminTokens> both() {
  config::Problems problems;
  return AdminTokens::parse(
      "# who\n\n  write\tdeploy  " + std::string(writer) + "  \r\nread p@x " + std::string(reader),
      "f", {}, problems);
}

TEST(AdminTokens, lines_are_role_name_and_token) {
  const auto tokens = both();
  ASSERT_NE(tokens, nullptr);
  EXPECT_EQ(tokens->size(), 2U);
  EXPECT_EQ(tokens->find(writer)->name, "deploy");
  EXPECT_TRUE(tokens->find(writer)->may_write);
  EXPECT_FALSE(tokens->find(reader)->may_write);
  EXPECT_EQ(tokens->find(""), nullptr);
  EXPECT_EQ(tokens->find(reader.substr(1)), nullptr);
}

TEST(AdminTokens, a_wrong_line_is_told_without_its_token) {
  const std::string token(writer);
  for (const std::string& line :
       {"admin a " + token, "write " + token, "write a/b " + token, "write a " + token + " more",
        "write a " + token + "\"", std::string("write a short"), "write a " + std::string(513, 'x'),
        "write a " + token + "\nread a " + std::string(reader),
        "write a " + token + "\nread b " + token}) {
    const std::string problems = problems_of(line);
    EXPECT_NE(problems.find("admin.tokens_file: 'f' line "), std::string::npos) << line;
    EXPECT_EQ(problems.find(token), std::string::npos) << problems;
  }
  EXPECT_NE(problems_of("# nothing\n").find("has no token"), std::string::npos);
}

TEST(AdminTokens, there_may_be_256) {
  std::string text;
  for (std::size_t i = 0; i < AdminTokens::most; ++i) {
    text += "read n" + std::to_string(i) + " token-of-sixteen-" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(problems_of(text), "");
  EXPECT_NE(problems_of(text + "read x " + std::string(writer)).find("one too many"),
            std::string::npos);
}

TEST(AdminTokens, a_file_that_everybody_may_read_is_refused) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("sluice-tokens-" + std::to_string(::getpid()));
  std::ofstream(path) << "write a " << writer << "\n";
  for (const auto& [mode, is_good] :
       {std::pair(0600U, true), std::pair(0640U, true), std::pair(0644U, false)}) {
    ::chmod(path.c_str(), mode);
    config::Problems problems;
    EXPECT_EQ(AdminTokens::load(path, {}, problems) != nullptr, is_good) << mode;
    EXPECT_EQ(problems.has_errors(), !is_good);
  }
  std::filesystem::remove(path);
}

TEST(AdminTokens, a_request_has_one_bearer_token) {
  const auto tokens = both();
  const std::string good = "bEARER " + std::string(writer);
  EXPECT_EQ(admit(*tokens, {good}, true).who, "deploy");
  EXPECT_EQ(admit(*tokens, {good, good}, false).status, 400U);
  EXPECT_EQ(admit(*tokens, {}, false).status, 401U);
  EXPECT_EQ(admit(*tokens, {"Bearer"}, false).status, 401U);
  EXPECT_EQ(admit(*tokens, {"Basic " + std::string(writer)}, false).status, 401U);
  const std::string read = "Bearer " + std::string(reader);
  EXPECT_EQ(admit(*tokens, {read}, false).status, 0U);
  EXPECT_EQ(admit(*tokens, {read}, true).status, 403U);
}

// The mode of the socket keeps others out; should somebody widen it, they may still only look.
TEST(AdminTokens, without_tokens_a_unix_socket_is_for_its_user_and_root) {
  Events events;
  const AdminHooks hooks{.is_ready = [] { return true; },
                         .metrics = [] { return std::string(); },
                         .status = [] { return AdminStatus{}; },
                         .target_groups = [] { return std::vector<GroupStatus>(); },
                         .is_group = [](std::string_view) { return false; }};
  const auto ask = [&](std::string_view method, std::string_view target, unsigned uid) {
    return answer({.method = method,
                   .target = target,
                   .source = {.host = {"x"}, .is_unix_socket = true},
                   .peer = "unix",
                   .peer_uid = uid},
                  hooks)
        .status;
  };
  const std::string_view target = "/v1/target-groups/g/targets/x";
  EXPECT_EQ(ask("DELETE", target, ::geteuid() + 1), 403U);
  EXPECT_EQ(ask("DELETE", target, ::geteuid()), 404U);
  EXPECT_EQ(ask("DELETE", target, 0), 404U);
  EXPECT_EQ(ask("GET", "/metrics", ::geteuid() + 1), 200U);
}

}  // namespace
}  // namespace sluice::control
