// The kind `file`: what a file says, and how its changes are noticed.
#include "control/discovery/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <coroutine>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/discovery/settings.h"
#include "sluice/config/load.h"
#include "support/certificates.h"
#include "support/peer.h"

namespace sluice::control::discovery {
namespace {

TEST(DiscoveryFile, a_list_of_addresses_is_yaml_or_json) {
  for (const char* text :
       {"- 10.0.0.1:80\n- \"[2001:DB8::1]:81\"\n", R"(["10.0.0.1:80", "[2001:db8:0::1]:81"])"}) {
    const Look look = read_targets(text, "f");
    EXPECT_EQ(look.error, "");
    ASSERT_EQ(look.targets.size(), 2U);
    EXPECT_EQ(look.targets[0].id, "10.0.0.1:80");
    EXPECT_EQ(look.targets[0].endpoint.text(), "10.0.0.1:80");
    EXPECT_EQ(look.targets[0].weight, 1U);
    EXPECT_FALSE(look.targets[0].is_leaving);
    EXPECT_EQ(look.targets[1].id, "[2001:db8::1]:81");
  }
}

TEST(DiscoveryFile, a_mapping_says_more) {
  const Look look = read_targets(
      "- { address: \"10.0.0.1:80\", weight: 7, zone: eu-central-1a, draining: true }\n", "f");
  EXPECT_EQ(look.error, "");
  ASSERT_EQ(look.targets.size(), 1U);
  EXPECT_EQ(look.targets[0].weight, 7U);
  EXPECT_EQ(look.targets[0].zone, "eu-central-1a");
  EXPECT_TRUE(look.targets[0].is_leaving);
}

TEST(DiscoveryFile, an_empty_list_names_nobody_and_an_empty_file_is_half_written) {
  const Look look = read_targets("[]", "f");
  EXPECT_EQ(look.error, "");
  EXPECT_TRUE(look.targets.empty());
  EXPECT_EQ(read_targets("", "f").error, "f:1:1: the file is empty");
}

TEST(DiscoveryFile, whatever_is_wrong_makes_the_whole_file_wrong) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"- [", "f:"},
      {"targets: []", "f:1:1: must be a list of targets, not a mapping"},
      {"- 10.0.0.1:80\n- api.internal:80",
       "f:2:3: [1]: must be an IP address and a port from 1 to 65535, not 'api.internal:80'"},
      {"- 10.0.0.1:0", "f:1:3: [0]: must be an IP address and a port from 1 to 65535"},
      {"- unix:/run/x", "f:1:3: [0]: must be an IP address and a port from 1 to 65535"},
      {"- 10.0.0.1:80\n- 10.0.0.1:80", "f:2:3: [1]: duplicate target 10.0.0.1:80"},
      {"- { address: \"10.0.0.1:80\", weight: 1000 }", "f:1:37: [0].weight: must be a whole"},
      {"- { adress: \"10.0.0.1:80\" }",
       "f:1:3: [0]: has no address; it must be address:port (and 1 more)"},
      {"- { weight: 1 }", "f:1:3: [0]: has no address"},
      {"- [10.0.0.1]", "f:1:3: [0]: must be address:port or a mapping, not a list"},
      {"- { address: \"10.0.0.1:80\", draining: yes }", "must be true or false, not 'yes'"},
  };
  for (const auto& one : cases) {
    const Look look = read_targets(one.text, "f");
    EXPECT_NE(look.error.find(one.error), std::string::npos) << one.text << ": " << look.error;
    EXPECT_TRUE(look.targets.empty());
  }
}

// --- settings -----------------------------------------------------------------------------------

struct Read {
  std::vector<Entry> entries;
  std::string errors;
};

Read read(const std::string& text) {
  Read result;
  config::Problems problems;
  const auto node = config::parse(text, "f", problems);
  if (node) result.entries = read_entries(node->items(), problems);
  for (const config::Problem& problem : problems.sorted()) result.errors += problem.text() + '\n';
  return result;
}

TEST(DiscoverySettings, an_entry_has_one_kind_and_keys_that_all_kinds_have) {
  const Read all = read(
      "- { file: { path: a } }\n"
      "- { file: { path: b, refresh: 1m }, hold: 0, shrink_percent: 100,\n"
      "    max_targets: 3 }\n");
  EXPECT_EQ(all.errors, "");
  ASSERT_EQ(all.entries.size(), 2U);
  EXPECT_EQ(all.entries[0].rule.hold, std::chrono::hours(24));
  EXPECT_EQ(all.entries[0].rule.shrink_percent, 50U);
  EXPECT_EQ(all.entries[0].rule.max_targets, 10'000U);
  EXPECT_EQ(all.entries[0].source->text(), "file a");
  EXPECT_EQ(all.entries[0].source->refresh(), std::chrono::seconds(10));
  EXPECT_EQ(all.entries[1].rule.hold.count(), 0);
  EXPECT_EQ(all.entries[1].rule.shrink_percent, 100U);
  EXPECT_EQ(all.entries[1].rule.max_targets, 3U);
  EXPECT_EQ(all.entries[1].source->refresh(), std::chrono::minutes(1));
  EXPECT_NE(all.entries[0].key(), all.entries[1].key());
}

TEST(DiscoverySettings, every_mistake_has_its_place) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"- { hold: 1h }", "f:1:3: [0]: names no source; an entry has one of"},
      {"- { flie: { path: a } }", "f:1:5: [0].flie: unknown key; did you mean 'file'?"},
      {"- a", "f:1:3: [0]: must be a mapping with one of"},
      {"- { file: a }", "f:1:11: [0].file: must be a mapping, not 'a'"},
      {"- { file: {} }", "[0].file: has no path"},
      {"- { file: { path: \"\" } }", "[0].file.path: must be the name of a file"},
      {"- { file: { path: a, refresh: 1ms } }", "[0].file.refresh: must be a duration from 100ms"},
      {"- { file: { path: a }, hold: x }", "[0].hold: must be a duration"},
      {"- { file: { path: a }, shrink_percent: 101 }", "[0].shrink_percent: must be a whole"},
      {"- { file: { path: a }, max_targets: 0 }", "[0].max_targets: must be a whole number from 1"},
      {"- { file: { path: a } }\n- { file: { path: a }, hold: 1h }",
       "f:2:3: [1]: duplicate source; the same is at line 1"},
  };
  for (const auto& one : cases) {
    const Read result = read(one.text);
    EXPECT_NE(result.errors.find(one.error), std::string::npos)
        << one.text << ": " << result.errors;
  }
}

// --- the provider -------------------------------------------------------------------------------

class DiscoveryFileProvider : public testing::Test {
 protected:
  void follow(const std::string& name) {
    path_ = files_.path(name);
    config::Problems problems;
    const auto node = config::parse("{ path: \"" + path_ + "\" }", "f", problems);
    source_ = read_file_source(*node, problems);
    ASSERT_NE(source_, nullptr);
    provider_ = source_->make(loop_);
    provider_->when_changed([this] { ++told_; });
  }
  Look look() {
    std::optional<Look> result;
    std::optional<net::Task<>> task;
    task.emplace(take(*provider_, result));
    task->await_suspend(std::noop_coroutine()).resume();
    EXPECT_TRUE(support::run_until(loop_, [&] { return result.has_value(); }));
    return result.value_or(Look{});
  }
  static net::Task<> take(Provider& provider, std::optional<Look>& result) {
    net::Task<Look> task = provider.look();
    result = co_await std::move(task);
  }
  [[nodiscard]] bool is_told() {
    return support::run_until(loop_, [this] { return told_ > 0; });
  }

  support::CertificateDirectory files_;
  std::string path_;
  net::Loop loop_;
  std::shared_ptr<const Source> source_;
  std::unique_ptr<Provider> provider_;
  std::size_t told_ = 0;
};

TEST_F(DiscoveryFileProvider, a_file_that_is_missing_is_an_error_until_it_comes) {
  follow("list");
  EXPECT_NE(look().error.find("list cannot be read: No such file"), std::string::npos);
  files_.write("list", "- 10.0.0.1:80\n");
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.size(), 1U);
}

TEST_F(DiscoveryFileProvider, writing_in_place_is_told) {
  follow("list");
  files_.write("list", "- 10.0.0.1:80\n");
  EXPECT_EQ(look().targets.size(), 1U);
  files_.write("list", "- 10.0.0.1:80\n- 10.0.0.2:80\n");
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.size(), 2U);
}

TEST_F(DiscoveryFileProvider, a_file_renamed_over_it_is_told) {
  follow("list");
  files_.write("list", "- 10.0.0.1:80\n");
  EXPECT_EQ(look().targets.size(), 1U);
  std::filesystem::rename(files_.write("new", "- 10.0.0.2:80\n"), path_);
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.at(0).id, "10.0.0.2:80");
}

// As Kubernetes mounts a ConfigMap: list -> ..data/list, ..data -> a directory of a version.
TEST_F(DiscoveryFileProvider, a_symbolic_link_on_the_way_that_is_turned_is_told) {
  namespace fs = std::filesystem;
  for (const char* version : {"one", "two"}) fs::create_directory(files_.path(version));
  files_.write("one/list", "- 10.0.0.1:80\n");
  files_.write("two/list", "- 10.0.0.2:80\n");
  fs::create_directory_symlink("one", files_.path("..data"));
  fs::create_symlink("..data/list", files_.path("list"));
  follow("list");
  EXPECT_EQ(look().targets.at(0).id, "10.0.0.1:80");
  fs::create_directory_symlink("two", files_.path("..tmp"));
  fs::rename(files_.path("..tmp"), files_.path("..data"));
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.at(0).id, "10.0.0.2:80");
  // The directory that it leads to now is watched as well.
  told_ = 0;
  files_.write("two/list", "- 10.0.0.3:80\n- 10.0.0.4:80\n");
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.size(), 2U);
}

TEST_F(DiscoveryFileProvider, other_files_of_the_directory_do_not_matter) {
  follow("list");
  files_.write("list", "- 10.0.0.1:80\n");
  (void)look();
  files_.write("another", "x");
  files_.write("list", "- 10.0.0.1:80\n- 10.0.0.2:80\n");
  EXPECT_TRUE(is_told());
  EXPECT_EQ(look().targets.size(), 2U);
  told_ = 0;
  files_.write("another", "y");
  support::settle(loop_);
  EXPECT_EQ(told_, 0U);
}

TEST_F(DiscoveryFileProvider, what_is_no_file_is_not_read) {
  follow("list");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(look().error.find("is no file"), std::string::npos);
  ::unlink(path_.c_str());
  std::filesystem::create_directory(path_);
  EXPECT_NE(look().error.find("is no file"), std::string::npos);
}

TEST_F(DiscoveryFileProvider, a_file_of_more_than_4_mib_is_refused) {
  follow("list");
  files_.write("list", std::string(4 * 1024 * 1024 + 1, '#'));
  EXPECT_NE(look().error.find("is larger than 4 MiB"), std::string::npos);
}

TEST_F(DiscoveryFileProvider, a_provider_that_ends_is_told_no_more) {
  follow("list");
  files_.write("list", "- 10.0.0.1:80\n");
  (void)look();
  files_.write("list", "- 10.0.0.2:80\n");
  provider_.reset();
  support::settle(loop_);
  EXPECT_EQ(told_, 0U);
}

}  // namespace
}  // namespace sluice::control::discovery
