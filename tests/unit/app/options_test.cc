#include "sluice/app/options.h"

#include <gtest/gtest.h>

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

TEST(Options, wrong_usage_is_status_2_and_explained_on_standard_error) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"run"},
                                             {"check"},
                                             {"fly"},
                                             {"run", "--config"},
                                             {"run", "--config", "a", "b"},
                                             {"demo", "--config", "a"},
                                             {"run", "--confg", "a"}}) {
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
