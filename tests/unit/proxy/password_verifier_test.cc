#include "sluice/proxy/password_verifier.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/peer.h"

namespace sluice::proxy {
namespace {

using Verdict = PasswordVerifier::Verdict;

// Of "correct horse", by htpasswd -B -C 4.
std::shared_ptr<const net::PasswordHash> hash() {
  std::string error;
  return std::make_shared<const net::PasswordHash>(*net::PasswordHash::parse(
      "$2y$04$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS", error));
}

class PasswordVerifierTest : public ::testing::Test {
 protected:
  [[nodiscard]] PasswordVerifier::Question question(const std::string& password,
                                                    bool is_known = true) const {
    PasswordVerifier::Question made{.password = password,
                                    .account = {hash(), is_known},
                                    .cache = cache_,
                                    .queue = 2,
                                    .waiting = 4};
    EXPECT_TRUE(cache_->key("alice", password, "$2y$", is_known, made.key));
    return made;
  }

  [[nodiscard]] PasswordVerifier::Question slow_question(const std::string& password) const {
    PasswordVerifier::Question made = question(password);
    std::string error;
    made.account.hash = std::make_shared<const net::PasswordHash>(*net::PasswordHash::parse(
        "$2y$12$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS", error));
    made.queue = 4;
    return made;
  }

  // What the ticket says in the end.
  std::optional<Verdict> verdict_of(const std::shared_ptr<PasswordTicket>& ticket) {
    EXPECT_TRUE(support::run_until(loop_, [&] { return ticket->verdict.has_value(); }));
    return ticket->verdict;
  }

  net::Loop loop_;
  std::shared_ptr<route::CredentialCache> cache_ =
      std::make_shared<route::CredentialCache>(route::CredentialCache::Settings{});
};

TEST_F(PasswordVerifierTest, verdicts_come_to_the_loop_and_into_the_cache) {
  PasswordVerifier verifier(1);
  for (const auto& [password, is_known, wanted] :
       {std::tuple{"correct horse", true, Verdict::matches},
        {"wrong", true, Verdict::differs},
        {"correct horse", false, Verdict::differs}}) {
    const auto ticket = verifier.ask(question(password, is_known), loop_);
    ASSERT_NE(ticket, nullptr);
    EXPECT_EQ(verdict_of(ticket), wanted) << password << is_known;
    EXPECT_EQ(cache_->find(question(password, is_known).key, base::Steady::now()),
              wanted == Verdict::matches);
  }
}

// Without threads nothing is ever verified: what waits stays.
TEST_F(PasswordVerifierTest, verifications_beyond_the_queue_are_not_begun) {
  PasswordVerifier verifier(0);
  EXPECT_NE(verifier.ask(question("a"), loop_), nullptr);
  EXPECT_NE(verifier.ask(question("b"), loop_), nullptr);
  EXPECT_EQ(verifier.ask(question("c"), loop_), nullptr);
  // Of another filter there is room.
  cache_ = std::make_shared<route::CredentialCache>(route::CredentialCache::Settings{});
  EXPECT_NE(verifier.ask(question("c"), loop_), nullptr);
}

TEST_F(PasswordVerifierTest, the_same_question_is_verified_once_and_its_requests_are_bounded) {
  PasswordVerifier verifier(0);
  EXPECT_NE(verifier.ask(question("a"), loop_), nullptr);
  EXPECT_NE(verifier.ask(question("b"), loop_), nullptr);
  EXPECT_NE(verifier.ask(question("a"), loop_), nullptr);
  EXPECT_NE(verifier.ask(question("a"), loop_), nullptr);
  EXPECT_EQ(verifier.ask(question("a"), loop_), nullptr);
}

TEST_F(PasswordVerifierTest, what_is_over_makes_room_again) {
  PasswordVerifier verifier(1);
  for (int i = 0; i < 20; ++i) {
    const auto one = verifier.ask(question("a" + std::to_string(i)), loop_);
    const auto other = verifier.ask(question("b" + std::to_string(i)), loop_);
    ASSERT_NE(one, nullptr);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(verdict_of(one), Verdict::differs);
    EXPECT_EQ(verdict_of(other), Verdict::differs);
  }
}

TEST_F(PasswordVerifierTest, all_who_ask_the_same_are_answered) {
  PasswordVerifier verifier(2);
  std::vector<std::shared_ptr<PasswordTicket>> tickets;
  for (int i = 0; i < 4; ++i) tickets.push_back(verifier.ask(question("correct horse"), loop_));
  for (const auto& ticket : tickets) {
    ASSERT_NE(ticket, nullptr);
    EXPECT_EQ(verdict_of(ticket), Verdict::matches);
  }
}

TEST_F(PasswordVerifierTest, who_waits_no_more_is_not_told_and_the_loop_may_be_gone) {
  PasswordVerifier verifier(1);
  {
    net::Loop gone;
    const auto ticket = verifier.ask(question("correct horse"), gone);
    ASSERT_NE(ticket, nullptr);
    ticket->ended.arm([](net::Wake) { ADD_FAILURE(); });
    ticket->abandon();
  }
  EXPECT_EQ(verdict_of(verifier.ask(question("wrong"), loop_)), Verdict::differs);
}

// Of a hash that takes a good part of a second, so that the rest waits behind it.
TEST_F(PasswordVerifierTest, what_nobody_waits_for_is_not_begun) {
  PasswordVerifier verifier(1);
  const auto first = verifier.ask(slow_question("a"), loop_);
  const auto left = verifier.ask(question("b"), loop_);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(left, nullptr);
  left->abandon();
  EXPECT_EQ(verdict_of(first), Verdict::differs);
  EXPECT_EQ(verdict_of(verifier.ask(question("c"), loop_)), Verdict::differs);
  EXPECT_FALSE(cache_->find(question("b").key, base::Steady::now()).has_value());
}

TEST_F(PasswordVerifierTest, filters_take_turns) {
  PasswordVerifier verifier(1);
  std::vector<std::shared_ptr<PasswordTicket>> flood;
  for (const char* password : {"a", "b", "c", "d"}) {
    flood.push_back(verifier.ask(slow_question(password), loop_));
    ASSERT_NE(flood.back(), nullptr);
  }
  cache_ = std::make_shared<route::CredentialCache>(route::CredentialCache::Settings{});
  const auto other = verifier.ask(question("correct horse"), loop_);
  EXPECT_EQ(verdict_of(other), Verdict::matches);
  EXPECT_FALSE(flood.back()->verdict.has_value());
}

TEST_F(PasswordVerifierTest, it_ends_with_questions_that_nobody_has_looked_at) {
  auto verifier = std::make_unique<PasswordVerifier>(0);
  const auto ticket = verifier->ask(question("a"), loop_);
  ASSERT_NE(ticket, nullptr);
  verifier.reset();
  EXPECT_FALSE(ticket->verdict.has_value());
}

}  // namespace
}  // namespace sluice::proxy
