#include "control/discovery/ec2/credential_store.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "control/discovery/ec2/times.h"
#include "support/peer.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;

net::Task<Fetched> give(Fetched fetched) { co_return fetched; }
net::Task<Fetched> give_when(net::WaitSlot& slot, Fetched fetched) {
  (void)co_await slot.wait();
  co_return fetched;
}
net::Task<> keep(net::Task<Fetched> task, std::optional<Fetched>& kept) {
  kept = co_await std::move(task);
}

// A store whose source and clock the test plays.
class CredentialStoreTest : public ::testing::Test {
 protected:
  static Fetched good(std::optional<base::WallTime> expires, bool may_outlive = true) {
    auto credentials = std::make_shared<Credentials>();
    credentials->access_key_id = net::Secret("id");
    credentials->expires = expires;
    return {.credentials = std::move(credentials),
            .error = {},
            .source = "instance",
            .may_outlive_their_end = may_outlive};
  }
  static Fetched bad() { return {.credentials = nullptr, .error = "no answer"}; }

  Fetched get() {
    std::optional<Fetched> kept;
    net::spawn(keep(store_.get("eu-west-1"), kept));
    EXPECT_TRUE(support::run_until(loop_, [&] { return kept.has_value(); }));
    support::settle(loop_);
    return kept.value_or(Fetched{});
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    support::pass_time(loop_, time);
  }

  net::Loop loop_;
  base::WallTime now_ = parse_timestamp("2026-11-21T01:00:00Z").value();
  Fetched next_;
  int fetches_ = 0;
  net::WaitSlot slot_;
  bool is_slow_ = false;
  CredentialStore store_{loop_,
                         [this](const std::string&) {
                           ++fetches_;
                           return is_slow_ ? give_when(slot_, next_) : give(next_);
                         },
                         [this] { return now_; }};
};

TEST_F(CredentialStoreTest, those_without_an_end_are_fetched_once) {
  next_ = good(std::nullopt);
  const SharedCredentials first = get().credentials;
  pass(24h);
  EXPECT_EQ(get().credentials, first);
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CredentialStoreTest, a_failure_at_the_start_is_an_error_and_is_tried_anew_each_time) {
  next_ = bad();
  EXPECT_EQ(get().error, "no answer");
  EXPECT_EQ(get().error, "no answer");
  EXPECT_EQ(fetches_, 2);
  next_ = good(now_ + 1h);
  EXPECT_NE(get().credentials, nullptr);
}

TEST_F(CredentialStoreTest, stay_in_use_until_a_quarter_of_an_hour_before_their_end) {
  next_ = good(now_ + 1h);
  get();
  pass(43min);
  get();
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CredentialStoreTest, in_the_advisory_window_are_renewed_behind_those_in_use) {
  next_ = good(now_ + 1h);
  const SharedCredentials former = get().credentials;
  pass(46min);
  next_ = good(now_ + 1h);
  is_slow_ = true;
  EXPECT_EQ(get().credentials, former);  // nobody waits
  EXPECT_EQ(get().credentials, former);
  slot_.fire(net::Wake::ready);
  support::settle(loop_);
  EXPECT_EQ(get().credentials, next_.credentials);
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CredentialStoreTest, in_the_mandatory_window_everybody_waits_for_the_same_new_ones) {
  next_ = good(now_ + 1h);
  get();
  pass(51min);
  next_ = good(now_ + 1h);
  is_slow_ = true;
  std::optional<Fetched> first;
  std::optional<Fetched> second;
  net::spawn(keep(store_.get("r"), first));
  net::spawn(keep(store_.get("r"), second));
  support::settle(loop_);
  EXPECT_FALSE(first || second);
  slot_.fire(net::Wake::ready);
  support::settle(loop_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->credentials, next_.credentials);
  EXPECT_EQ(second->credentials, next_.credentials);
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CredentialStoreTest, a_failed_renewal_is_borne_and_not_repeated_for_a_minute) {
  next_ = good(now_ + 1h);
  const SharedCredentials former = get().credentials;
  pass(51min);
  next_ = bad();
  EXPECT_EQ(get().credentials, former);
  EXPECT_EQ(get().credentials, former);
  EXPECT_EQ(fetches_, 2);
  pass(91s);
  EXPECT_EQ(get().credentials, former);
  EXPECT_EQ(fetches_, 3);
}

TEST_F(CredentialStoreTest, those_of_the_platform_are_used_beyond_their_end) {
  next_ = good(now_ + 1h);
  const SharedCredentials former = get().credentials;
  next_ = bad();
  pass(2h);
  EXPECT_EQ(get().credentials, former);
  pass(2min);
  EXPECT_EQ(get().credentials, former);
  pass(1h);
  next_ = good(now_ + 1h);
  EXPECT_EQ(get().credentials, next_.credentials);
}

TEST_F(CredentialStoreTest, others_end_when_they_end) {
  next_ = good(now_ + 1h, false);
  get();
  next_ = bad();
  pass(2h);
  EXPECT_EQ(get().error, "no answer");
  EXPECT_EQ(get().credentials, nullptr);
}

TEST_F(CredentialStoreTest, old_ones_that_the_platform_repeats_are_extended) {
  next_ = good(now_ - 1h);
  const SharedCredentials former = get().credentials;
  ASSERT_NE(former, nullptr);
  pass(50s);
  EXPECT_EQ(get().credentials, former);
  EXPECT_EQ(fetches_, 1);
  // Asked again within ten minutes.
  pass(11min);
  next_ = good(now_ + 1h);
  get();
  EXPECT_EQ(get().credentials, next_.credentials);
}

TEST_F(CredentialStoreTest, refused_ones_are_replaced_at_once) {
  next_ = good(now_ + 1h);
  const SharedCredentials former = get().credentials;
  store_.refuse(former);
  next_ = bad();
  EXPECT_EQ(get().credentials, nullptr);
  next_ = good(now_ + 1h);
  EXPECT_EQ(get().credentials, next_.credentials);
  store_.refuse(former);  // late: it is not they any more
  EXPECT_EQ(get().credentials, next_.credentials);
  EXPECT_EQ(fetches_, 3);
}

TEST_F(CredentialStoreTest, one_who_waits_may_leave) {
  is_slow_ = true;
  next_ = good(now_ + 1h);
  {
    net::Task<Fetched> left = store_.get("r");
    left.await_suspend(std::noop_coroutine()).resume();
  }
  slot_.fire(net::Wake::ready);
  support::settle(loop_);
  EXPECT_EQ(get().credentials, next_.credentials);
  EXPECT_EQ(fetches_, 1);
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
