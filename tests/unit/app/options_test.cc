#include "sluice/app/options.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace sluice::app {
namespace {

struct Parsed {
  std::optional<Options> options;
  int exit_status = -1;
  std::string out;
  std::string error;
};

Parsed parse(std::vector<std::string> words) {
  words.insert(words.begin(), "sluice");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  Parsed parsed;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  parsed.options =
      parse_options(static_cast<int>(arguments.size()), arguments.data(), parsed.exit_status);
  parsed.out = testing::internal::GetCapturedStdout();
  parsed.error = testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(Options, a_command_and_its_file_are_read) {
  const Parsed run = parse({"run", "--config", "a.yaml"});
  ASSERT_TRUE(run.options);
  EXPECT_EQ(run.options->command, Command::run);
  EXPECT_EQ(run.options->config, "a.yaml");
  const Parsed check = parse({"check", "--config=b.yaml"});
  ASSERT_TRUE(check.options);
  EXPECT_EQ(check.options->command, Command::check);
  EXPECT_EQ(check.options->config, "b.yaml");
  const Parsed demo = parse({"demo"});
  ASSERT_TRUE(demo.options);
  EXPECT_EQ(demo.options->command, Command::demo);
}

TEST(Options, commands_that_ask_an_instance_are_read) {
  const Parsed status = parse({"status"});
  ASSERT_TRUE(status.options);
  EXPECT_EQ(status.options->command, Command::status);
  EXPECT_EQ(status.options->admin.admin, "http://127.0.0.1:9901");
  EXPECT_FALSE(status.options->admin.json);
  EXPECT_FALSE(status.options->admin.timeout.has_value());

  const Parsed add = parse({"targets", "add", "a:1", "b:2", "--group", "api", "--weight", "3",
                            "--admin", "unix:/run/a", "--token-file", "t", "--json"});
  ASSERT_TRUE(add.options) << add.error;
  EXPECT_EQ(add.options->command, Command::targets_add);
  const AdminOptions& admin = add.options->admin;
  EXPECT_EQ(admin.targets, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(admin.group, "api");
  EXPECT_EQ(admin.weight, 3U);
  EXPECT_EQ(admin.admin, "unix:/run/a");
  EXPECT_EQ(admin.token_file, "t");
  EXPECT_TRUE(admin.json);

  const Parsed remove = parse({"targets", "remove", "a:1", "--wait", "--timeout", "5m"});
  ASSERT_TRUE(remove.options) << remove.error;
  EXPECT_EQ(remove.options->command, Command::targets_remove);
  EXPECT_TRUE(remove.options->admin.wait);
  EXPECT_EQ(remove.options->admin.timeout, std::chrono::minutes(5));
  EXPECT_EQ(parse({"targets", "list"}).options->command, Command::targets_list);
  EXPECT_EQ(parse({"targets", "drain", "a:1"}).options->command, Command::targets_drain);
  EXPECT_EQ(parse({"targets", "enable", "a:1"}).options->command, Command::targets_enable);
  EXPECT_EQ(parse({"reload"}).options->command, Command::reload);
}

TEST(Options, the_environment_names_the_admin_listener_unless_the_command_line_does) {
  ::setenv("SLUICE_ADMIN", "127.0.0.1:1", 1);
  const Parsed from_environment = parse({"targets", "list"});
  const Parsed from_both = parse({"targets", "list", "--admin", "127.0.0.1:2"});
  ::setenv("SLUICE_ADMIN", "", 1);
  const Parsed from_neither = parse({"targets", "list"});
  ::unsetenv("SLUICE_ADMIN");
  EXPECT_EQ(from_environment.options->admin.admin, "127.0.0.1:1");
  EXPECT_EQ(from_both.options->admin.admin, "127.0.0.1:2");
  EXPECT_EQ(from_neither.options->admin.admin, "http://127.0.0.1:9901");
}

TEST(Options, a_completion_script_knows_every_command_and_option) {
  EXPECT_EQ(parse({"completion", "zsh"}).options->shell, Shell::zsh);
  EXPECT_EQ(parse({"completion", "bash"}).options->command, Command::completion);
  for (const Shell shell : {Shell::bash, Shell::zsh}) {
    const std::string script = completion_script(shell);
    for (const char* const word :
         {"run", "check", "demo", "status", "reload", "completion", "'targets drain'", "--config",
          "--admin", "--token-file", "--json", "--timeout", "--group", "--weight", "--wait"}) {
      EXPECT_NE(script.find(word), std::string::npos) << word << " is not in:\n" << script;
    }
  }
}

TEST(Options, wrong_usage_is_status_2_and_explained_on_standard_error) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"run"},
                                             {"check"},
                                             {"fly"},
                                             {"run", "--config"},
                                             {"run", "--config", "a", "b"},
                                             {"demo", "--config", "a"},
                                             {"run", "--confg", "a"},
                                             {"targets"},
                                             {"targets", "fly"},
                                             {"targets", "add"},
                                             {"targets", "add", "a:1", "--weight", "-1"},
                                             {"targets", "list", "--wait"},
                                             {"targets", "list", "a:1"},
                                             {"status", "--admin", "https://a:1"},
                                             {"status", "--admin", "127.0.0.1"},
                                             {"status", "--admin", "http://a:1/path"},
                                             {"status", "--timeout", "5"},
                                             {"status", "--timeout", "0s"},
                                             {"status", "--timeout", "-1s"},
                                             {"status", "--timeout", "25h"},
                                             {"completion"},
                                             {"completion", "fish"}}) {
    const Parsed parsed = parse(words);
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_status, 2);
    EXPECT_FALSE(parsed.error.empty());
    EXPECT_EQ(parsed.out, "");
  }
}

TEST(Options, help_and_version_are_status_0_on_standard_output) {
  for (const char* const word : {"--help", "--version"}) {
    const Parsed parsed = parse({word});
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_status, 0) << word;
    EXPECT_FALSE(parsed.out.empty());
    EXPECT_EQ(parsed.error, "");
  }
}

TEST(Options, the_version_names_the_program_and_its_libraries) {
  const std::string version = version_text();
  for (const char* const part : {"sluice ", "commit ", "compiler ", "OpenSSL 3", "Boost 1."}) {
    EXPECT_NE(version.find(part), std::string::npos) << part << " is not in:\n" << version;
  }
}

}  // namespace
}  // namespace sluice::app
