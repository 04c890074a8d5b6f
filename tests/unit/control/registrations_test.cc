// Changes of targets by operators: what each does, and that it counts once it is kept.
#include "sluice/control/registrations.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "control/state_file.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

using Kind = TargetChange::Kind;
using Result = TargetChanged::Result;

class RegistrationsTest : public testing::Test {
 protected:
  RegistrationsTest() {
    std::string name = std::filesystem::temp_directory_path() / "sluice-registrations-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    Membership::Plan plan;
    Member configured;
    configured.id = "10.0.0.9:80";
    configured.endpoint = net::Endpoint::numeric("10.0.0.9", 80).value();
    plan["g"].configured = {configured};
    membership_.take_over(std::move(plan));
    open(registrations_);
  }
  ~RegistrationsTest() override { std::filesystem::remove_all(folder_); }

  void open(Registrations& registrations) {
    config::Problems problems;
    registrations.open(folder_, {}, problems);
    EXPECT_TRUE(problems.sorted().empty());
  }
  void ask(TargetChange change) {
    registrations_.change(std::move(change), [this](const TargetChanged& changed) {
      results_.push_back(changed.result);
    });
  }
  std::vector<Result> results() {
    // The thread that writes posts what comes next: until nothing is owed.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (results_.size() < asked_ && context_.run_one_until(deadline) > 0) continue;
    EXPECT_EQ(results_.size(), std::exchange(asked_, 0));
    return std::exchange(results_, {});
  }
  void add(const std::string& address, std::optional<std::uint32_t> weight = {}) {
    std::string error;
    const auto target = target_address(address, error).value();
    ++asked_;
    ask({.kind = Kind::add,
         .group = "g",
         .id = target.id,
         .endpoint = target.endpoint,
         .weight = weight});
  }
  void modify(const std::string& id, std::optional<std::uint32_t> weight,
              std::optional<bool> is_draining = {}) {
    ++asked_;
    ask({.kind = Kind::modify,
         .group = "g",
         .id = id,
         .weight = weight,
         .is_draining = is_draining});
  }
  void remove(const std::string& id) {
    ++asked_;
    ask({.kind = Kind::remove, .group = "g", .id = id});
  }
  StateEntries kept() const {
    std::string error;
    const std::string path = folder_ + "/targets.state";
    std::string text;
    if (FILE* const file = std::fopen(path.c_str(), "rb")) {
      for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
      std::fclose(file);
    }
    const StateContent content = read_state(text);
    EXPECT_FALSE(content.is_damaged());
    return content.entries;
  }

  std::string folder_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  Membership membership_;
  Events events_;
  Registrations registrations_{context_, membership_, events_};
  std::vector<Result> results_;
  std::size_t asked_ = 0;
};

TEST_F(RegistrationsTest, nothing_counts_before_it_is_kept) {
  add("10.0.0.1:80", 3);
  EXPECT_TRUE(results_.empty());
  EXPECT_TRUE(membership_.api("g").empty());
  EXPECT_EQ(results(), std::vector{Result::added});
  EXPECT_EQ(membership_.api("g").at("10.0.0.1:80").weight, 3U);
  const StateKey key{"g", "10.0.0.1:80"};
  EXPECT_EQ(kept(), (StateEntries{{key, {.registered = 3}}}));
}

// Those behind the first wait for its write, share the next one, and see each other.
TEST_F(RegistrationsTest, changes_that_come_together_follow_each_other) {
  add("10.0.0.1:80");
  add("10.0.0.2:80", 2);
  add("10.0.0.2:80", 2);
  add("10.0.0.2:80", 5);
  modify("10.0.0.2:80", 7, true);
  remove("10.0.0.2:80");
  modify("10.0.0.2:80", 1);
  remove("10.0.0.2:80");
  add("10.0.0.2:80");
  EXPECT_EQ(results(), (std::vector{Result::added, Result::added, Result::unchanged,
                                    Result::another_weight, Result::modified, Result::removed,
                                    Result::no_target, Result::no_target, Result::added}));
  EXPECT_EQ(membership_.api("g").at("10.0.0.2:80").weight, 1U);
  EXPECT_TRUE(membership_.overrides("g").empty());
}

TEST_F(RegistrationsTest, a_target_of_others_is_changed_but_not_removed) {
  modify("10.0.0.9:80", 5);
  remove("10.0.0.9:80");
  add("10.0.0.9:80");
  remove("10.0.0.9:80");
  modify("10.0.0.8:80", 5);
  EXPECT_EQ(results(), (std::vector{Result::modified, Result::not_registered, Result::added,
                                    Result::unregistered, Result::no_target}));
  EXPECT_EQ(membership_.named("g", "10.0.0.9:80")->weight, 5U);
}

TEST_F(RegistrationsTest, a_write_that_fails_changes_nothing) {
  add("10.0.0.1:80");
  EXPECT_EQ(results(), std::vector{Result::added});
  // Neither file nor folder is there any more: it cannot be made anew.
  std::filesystem::remove_all(folder_);
  add("10.0.0.2:80");
  add("10.0.0.1:80");
  modify("10.0.0.1:80", 9);
  EXPECT_EQ(results(), (std::vector{Result::not_kept, Result::unchanged, Result::not_kept}));
  EXPECT_EQ(membership_.api("g").size(), 1U);
  EXPECT_EQ(membership_.named("g", "10.0.0.1:80")->weight, 1U);
  std::filesystem::create_directory(folder_);
  add("10.0.0.2:80");
  EXPECT_EQ(results(), std::vector{Result::added});
  EXPECT_EQ(kept().size(), 2U);
}

TEST_F(RegistrationsTest, a_long_file_is_written_anew) {
  (void)observe::open_log({.path = "/dev/null"});  // thousands of lines
  constexpr std::size_t count = 500;
  std::vector<Member> many(count);
  for (std::size_t i = 0; i < count; ++i) many[i].id = std::to_string(i);
  membership_.set_api("g", many);
  std::vector<std::uintmax_t> sizes;
  for (std::uint32_t round = 1; round <= 10; ++round) {
    for (const Member& member : many) modify(member.id, round);
    (void)results();
    sizes.push_back(std::filesystem::file_size(folder_ + "/targets.state"));
  }
  observe::close_log();
  EXPECT_FALSE(std::ranges::is_sorted(sizes));
  EXPECT_EQ(kept().size(), count);
}

TEST_F(RegistrationsTest, there_is_a_limit) {
  std::vector<Member> many(Registrations::targets_max);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].id = std::to_string(i);
  membership_.set_api("g", many);
  add("10.0.0.1:80");
  modify("10.0.0.9:80", 1);
  modify("7", 1);
  EXPECT_EQ(results(), (std::vector{Result::too_many, Result::too_many, Result::modified}));
}

}  // namespace
}  // namespace sluice::control
