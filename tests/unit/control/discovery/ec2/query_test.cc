// The question as it is sent, what errors mean, and who shares an answer.
#include "control/discovery/ec2/query.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "control/discovery/ec2/error_codes.h"
#include "control/discovery/ec2/patience.h"
#include "control/discovery/ec2/times.h"
#include "support/peer.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;

net::Task<> keep(net::Task<Query::Shared> task, std::optional<Query::Shared>& kept) {
  kept = co_await std::move(task);
}

Environment environment() {
  return [](const char* name) {
    const std::string_view asked = name;
    if (asked == "AWS_ACCESS_KEY_ID") return std::string("AKIDEXAMPLE");
    return std::string(asked == "AWS_SECRET_ACCESS_KEY" ? "secret" : "");
  };
}

std::string page_of(const std::string& id) {
  const std::string content =
      "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>" + id +
      "</instanceId><instanceState><code>16</code></instanceState></item></instancesSet></item>"
      "</reservationSet></DescribeInstancesResponse>";
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
         content;
}

// One query whose server the test plays.
class Ec2QueryTest : public ::testing::Test {
 protected:
  Ec2QueryTest() {
    question_.region = "eu-west-1";
    question_.endpoint = "http://" + server_.endpoint().text();
    question_.tags = {{.name = "Role", .values = {"api"}}};
    query_ =
        std::make_shared<Query>(loop_, std::make_shared<Session>(loop_, environment()), question_);
  }
  // Answers the next call.
  void answer(const std::string& bytes) {
    std::optional<support::Peer> peer;
    ASSERT_TRUE(support::run_until(loop_, [&] {
      if (!peer) peer = server_.accept();
      return peer && peer->received().find("MaxResults=200") != std::string::npos;
    }));
    peer->send(bytes);
    peer->shutdown_write();
    ++calls_;
    support::settle(loop_);
  }
  void begin(const void* who, Query::Shared seen, std::optional<Query::Shared>& kept,
             config::Milliseconds fresh_for = 10s) {
    kept.reset();
    net::spawn(keep(query_->answer(who, std::move(seen), fresh_for), kept));
  }
  Query::Shared wait(std::optional<Query::Shared>& kept) {
    EXPECT_TRUE(support::run_until(loop_, [&] { return kept.has_value(); }));
    return kept.value_or(nullptr);
  }

  net::Loop loop_;
  support::Server server_;
  Question question_;
  std::shared_ptr<Query> query_;
  int calls_ = 0;
  int one_ = 0;
  int other_ = 0;
  std::optional<Query::Shared> first_;
  std::optional<Query::Shared> second_;
};

TEST_F(Ec2QueryTest, those_who_ask_at_a_time_share_a_call) {
  begin(&one_, nullptr, first_);
  begin(&other_, nullptr, second_);
  answer(page_of("i-1"));
  const Query::Shared shared = wait(first_);
  ASSERT_NE(shared, nullptr);
  EXPECT_EQ(shared->error, "");
  EXPECT_EQ(shared->instances.at(0).id, "i-1");
  EXPECT_TRUE(shared->is_of_loopback);
  EXPECT_EQ(wait(second_), shared);
}

TEST_F(Ec2QueryTest, a_fresh_answer_serves_whoever_has_not_seen_it) {
  begin(&one_, nullptr, first_);
  answer(page_of("i-1"));
  const Query::Shared shared = wait(first_);
  begin(&other_, nullptr, second_);
  EXPECT_EQ(wait(second_), shared);
  begin(&one_, shared, first_);  // it wants to know better
  answer(page_of("i-2"));
  EXPECT_NE(wait(first_), shared);
  EXPECT_EQ(calls_, 2);
}

TEST_F(Ec2QueryTest, an_old_answer_serves_nobody) {
  begin(&one_, nullptr, first_);
  answer(page_of("i-1"));
  const Query::Shared shared = wait(first_);
  support::pass_time(loop_, 11s);
  begin(&other_, nullptr, second_);
  answer(page_of("i-1"));
  EXPECT_NE(wait(second_), shared);
}

TEST_F(Ec2QueryTest, others_are_told_when_the_answer_changes) {
  int told_one = 0;
  int told_other = 0;
  query_->tell(&one_, [&] { ++told_one; });
  query_->tell(&other_, [&] { ++told_other; });
  begin(&one_, nullptr, first_);
  answer(page_of("i-1"));
  const Query::Shared before = wait(first_);
  support::settle(loop_);
  EXPECT_EQ(told_one + told_other, 0);  // the first is no change
  begin(&one_, before, first_);
  answer(page_of("i-2"));
  const Query::Shared after = wait(first_);
  support::settle(loop_);
  EXPECT_EQ(told_one, 0);  // it has it
  EXPECT_EQ(told_other, 1);
  query_->tell(&other_, nullptr);
  begin(&one_, after, first_);
  answer(page_of("i-3"));
  wait(first_);
  support::settle(loop_);
  EXPECT_EQ(told_other, 1);
}

TEST_F(Ec2QueryTest, one_who_leaves_takes_nobody_along) {
  begin(&one_, nullptr, first_);
  {
    net::Task<Query::Shared> left = query_->answer(&other_, nullptr, 10s);
    left.await_suspend(std::noop_coroutine()).resume();
  }
  answer(page_of("i-1"));
  EXPECT_EQ(wait(first_)->error, "");
}

TEST_F(Ec2QueryTest, throttling_is_not_repeated_and_grows) {
  const std::string content =
      "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>";
  const std::string throttled =
      "HTTP/1.1 503 No\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
  config::Milliseconds former{0};
  Query::Shared seen;
  for (int i = 0; i < 3; ++i) {
    begin(&one_, seen, first_);
    answer(throttled);
    seen = wait(first_);
    ASSERT_TRUE(seen->retry_after.has_value());
    EXPECT_GT(*seen->retry_after, former);
    EXPECT_LE(*seen->retry_after, throttled_longest * 12 / 10);
    EXPECT_NE(seen->error.find("RequestLimitExceeded"), std::string::npos);
    former = *seen->retry_after;
  }
  EXPECT_EQ(calls_, 3);
}

TEST_F(Ec2QueryTest, more_instances_than_are_taken_are_an_error) {
  std::string many;
  for (std::size_t i = 0; i <= instances_max; ++i)
    many += "<item><instanceId>i</instanceId></item>";
  const std::string content = "<DescribeInstancesResponse><reservationSet><item><instancesSet>" +
                              many +
                              "</instancesSet></item></reservationSet></DescribeInstancesResponse>";
  begin(&one_, nullptr, first_);
  answer("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
         content);
  const Query::Shared refused = wait(first_);
  EXPECT_TRUE(refused->error.starts_with("more than 5000 instances")) << refused->error;
  EXPECT_TRUE(refused->instances.empty());
}

TEST_F(Ec2QueryTest, pages_without_end_are_an_error) {
  const std::string content =
      "<DescribeInstancesResponse><reservationSet/><nextToken>again</nextToken>"
      "</DescribeInstancesResponse>";
  const std::string page =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
  begin(&one_, nullptr, first_);
  for (std::size_t i = 0; i < pages_max; ++i) answer(page);
  EXPECT_EQ(wait(first_)->error, "more than 100 pages");
}

TEST(Ec2Question, is_written_as_the_service_reads_it) {
  Question question;
  question.tags = {{.name = "Role", .values = {"api", "a b"}}, {.name = "Stage", .values = {"x"}}};
  EXPECT_EQ(form_of(question, "t=/"),
            "Action=DescribeInstances&Version=2016-11-15"
            "&Filter.1.Name=tag%3ARole&Filter.1.Value.1=api&Filter.1.Value.2=a%20b"
            "&Filter.2.Name=tag%3AStage&Filter.2.Value.1=x"
            "&Filter.3.Name=instance-state-name&Filter.3.Value.1=running"
            "&Filter.3.Value.2=shutting-down&Filter.3.Value.3=stopping"
            "&MaxResults=200&NextToken=t%3D%2F");
}

TEST(Ec2ErrorCodes, tell_what_can_be_done) {
  EXPECT_EQ(fault_of("RequestLimitExceeded"), Fault::throttled);
  EXPECT_EQ(fault_of("RequestExpired"), Fault::clock);
  EXPECT_EQ(fault_of("ExpiredTokenException"), Fault::credentials);
  EXPECT_EQ(fault_of("UnauthorizedOperation"), Fault::not_allowed);
  EXPECT_EQ(fault_of("InvalidParameterValue"), Fault::other);
  EXPECT_EQ(fault_of(""), Fault::other);
  EXPECT_NE(advice_of(Fault::not_allowed).find("ec2:DescribeInstances"), std::string_view::npos);
}

TEST(Ec2Session, takes_the_time_of_aws_when_its_own_is_far_off) {
  net::Loop loop;
  loop.clock.set(loop.clock.now(), parse_timestamp("2026-11-21T01:00:00Z").value());
  Session session(loop, environment());
  EXPECT_FALSE(session.set_clock("Sat, 21 Nov 2026 01:03:00 GMT"));
  EXPECT_FALSE(session.set_clock("no"));
  EXPECT_TRUE(session.set_clock("Sat, 21 Nov 2026 02:00:00 GMT"));
  EXPECT_EQ(session.now(), parse_timestamp("2026-11-21T02:00:00Z"));
  EXPECT_FALSE(session.set_clock("Sat, 21 Nov 2026 02:00:00 GMT"));
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
