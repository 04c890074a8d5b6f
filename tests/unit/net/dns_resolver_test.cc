#include "sluice/net/dns_resolver.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "support/dns.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;
using support::dns_address;
using support::DnsMessage;
using support::DnsPeer;
using support::loopback;
using support::pass_time;
using support::run_until;

const std::string name = "api.test";

class DnsResolving : public ::testing::Test {
 protected:
  void ask(std::vector<Endpoint> servers, DnsType type = DnsType::a) {
    resolver_.emplace(loop_, std::move(servers));
    ask_again(type);
  }
  void ask_again(DnsType type = DnsType::a) {
    answer_.reset();
    task_ = std::make_unique<Task<>>(keep(resolver_->ask(name, type, 4s)));
    task_->await_suspend(std::noop_coroutine()).resume();
  }
  void give_up() { task_.reset(); }

  [[nodiscard]] bool is_asked(DnsPeer& server) {
    return run_until(loop_, [&] { return server.has_question(); });
  }
  // Its error, or its addresses.
  std::string answer() {
    EXPECT_TRUE(run_until(loop_, [this] { return answer_.has_value(); }));
    if (!answer_) return "none";
    std::string out = answer_->error;
    for (const auto& address : answer_->addresses) out += address.text() + ' ';
    return out;
  }
  static std::string good_answer(const DnsPeer& server, const char* address = "10.0.0.1") {
    return server.question().reply().answer(name, DnsMessage::a, 60, dns_address(address)).bytes();
  }

  Loop loop_;
  std::optional<DnsAnswer> answer_;

 private:
  Task<> keep(Task<DnsAnswer> asking) { answer_ = co_await std::move(asking); }

  std::optional<DnsResolver> resolver_;
  std::unique_ptr<Task<>> task_;
};

TEST_F(DnsResolving, a_question_is_answered_over_udp) {
  DnsPeer server;
  ask({server.endpoint()});
  ASSERT_TRUE(is_asked(server));
  EXPECT_EQ(server.question().name, name);
  EXPECT_EQ(server.question().type, DnsType::a);
  EXPECT_FALSE(server.question().over_tcp);
  server.send(good_answer(server));
  EXPECT_EQ(answer(), "10.0.0.1 ");
  EXPECT_EQ(answer_->ttl, 60s);
}

TEST_F(DnsResolving, what_does_not_fit_comes_over_tcp) {
  DnsPeer server;
  ask({server.endpoint()});
  ASSERT_TRUE(is_asked(server));
  server.send(server.question().reply().truncated().bytes());
  ASSERT_TRUE(is_asked(server));
  EXPECT_TRUE(server.question().over_tcp);
  DnsMessage large = server.question().reply();
  for (int i = 0; i < 500; ++i) {
    large.answer(name, DnsMessage::a, 60,
                 dns_address("10.0." + std::to_string(i / 250) + '.' + std::to_string(i % 250)));
  }
  server.send(large.bytes());
  answer();
  EXPECT_EQ(answer_->error, "");
  EXPECT_EQ(answer_->addresses.size(), 500U);
}

TEST_F(DnsResolving, what_nobody_asked_for_is_passed_over) {
  DnsPeer server;
  ask({server.endpoint()});
  ASSERT_TRUE(is_asked(server));
  const auto id = server.question().id;
  server.send("garbage");
  server.send("");
  server.send(DnsMessage(name, DnsType::a, static_cast<std::uint16_t>(id + 1))
                  .answer(name, DnsMessage::a, 60, dns_address("10.6.6.6"))
                  .bytes());
  server.send(DnsMessage("evil.test", DnsType::a, id)
                  .answer("evil.test", DnsMessage::a, 60, dns_address("10.6.6.6"))
                  .bytes());
  server.send(good_answer(server));
  EXPECT_EQ(answer(), "10.0.0.1 ");
}

TEST_F(DnsResolving, an_answer_from_elsewhere_is_passed_over) {
  DnsPeer server;
  ask({server.endpoint()});
  ASSERT_TRUE(is_asked(server));
  DnsPeer other;
  // Another socket of the same machine, with the right id and question.
  other.imitate(server);
  other.send(good_answer(server, "10.6.6.6"));
  server.send(good_answer(server));
  EXPECT_EQ(answer(), "10.0.0.1 ");
}

TEST_F(DnsResolving, a_server_that_fails_leads_to_the_next_at_once) {
  DnsPeer ill;
  DnsPeer well;
  ask({ill.endpoint(), well.endpoint()});
  ASSERT_TRUE(is_asked(ill));
  ill.send(ill.question().reply().code(2).bytes());
  ASSERT_TRUE(is_asked(well));
  well.send(good_answer(well));
  EXPECT_EQ(answer(), "10.0.0.1 ");
  // The one that answered is asked first from now on.
  ask_again();
  ASSERT_TRUE(is_asked(well));
  EXPECT_EQ(ill.questions(), 1U);
}

TEST_F(DnsResolving, no_such_name_is_an_answer_and_no_other_server_is_asked) {
  DnsPeer first;
  DnsPeer second;
  ask({first.endpoint(), second.endpoint()});
  ASSERT_TRUE(is_asked(first));
  first.send(first.question().reply().code(3).bytes());
  EXPECT_EQ(answer(), "");
  EXPECT_FALSE(answer_->is_known_name);
  EXPECT_FALSE(second.has_question());
}

TEST_F(DnsResolving, when_all_fail_the_error_names_each) {
  DnsPeer first;
  DnsPeer second;
  ask({first.endpoint(), second.endpoint()});
  ASSERT_TRUE(is_asked(first));
  first.send(first.question().reply().code(2).bytes());
  ASSERT_TRUE(is_asked(second));
  second.send(second.question().reply().code(5).bytes());
  EXPECT_EQ(answer(), first.endpoint().text() + ": answered SERVFAIL, " + second.endpoint().text() +
                          ": answered REFUSED");
}

TEST_F(DnsResolving, a_silent_server_is_asked_twice_within_the_time) {
  DnsPeer server;
  ask({server.endpoint()});
  ASSERT_TRUE(is_asked(server));
  pass_time(loop_, 1900ms);
  EXPECT_FALSE(server.has_question());
  pass_time(loop_, 200ms);
  ASSERT_TRUE(is_asked(server));
  EXPECT_FALSE(answer_.has_value());
  pass_time(loop_, 2100ms);
  EXPECT_EQ(answer(), server.endpoint().text() + ": no answer in time");
  EXPECT_EQ(server.questions(), 2U);
}

TEST_F(DnsResolving, a_silent_server_leaves_time_for_the_others) {
  DnsPeer silent;
  DnsPeer well;
  ask({silent.endpoint(), well.endpoint()});
  ASSERT_TRUE(is_asked(silent));
  pass_time(loop_, 1100ms);
  ASSERT_TRUE(is_asked(well));
  well.send(good_answer(well));
  EXPECT_EQ(answer(), "10.0.0.1 ");
}

TEST_F(DnsResolving, a_silent_server_over_tcp_ends_in_time_too) {
  DnsPeer server;
  ask({server.endpoint()});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(is_asked(server));
    server.send(server.question().reply().truncated().bytes());
    ASSERT_TRUE(is_asked(server));
    EXPECT_TRUE(server.question().over_tcp);
    pass_time(loop_, 2100ms);
  }
  EXPECT_EQ(answer(), server.endpoint().text() + ": no answer in time");
}

TEST_F(DnsResolving, a_port_where_nobody_listens_is_told) {
  const Endpoint nobody = loopback(support::free_port());
  ask({nobody});
  EXPECT_EQ(answer(), nobody.text() + ": the connection was refused or broke off");
}

TEST_F(DnsResolving, may_be_given_up_at_any_time) {
  DnsPeer server;
  ask({server.endpoint()});
  give_up();
  ASSERT_TRUE(is_asked(server));
  ask_again();
  ASSERT_TRUE(is_asked(server));
  give_up();
  support::settle(loop_);
  ask_again();
  ASSERT_TRUE(is_asked(server));
  server.send(server.question().reply().truncated().bytes());
  ASSERT_TRUE(is_asked(server));
  ASSERT_TRUE(server.question().over_tcp);
  server.send(good_answer(server));
  give_up();
  support::settle(loop_);
  pass_time(loop_, 10s);
  support::settle(loop_);
  EXPECT_FALSE(answer_.has_value());
}

Task<> keep_in(std::optional<DnsAnswer>& answer, Task<DnsAnswer> asking) {
  answer = co_await std::move(asking);
}

// Without the fixture: UBSan needs a descriptor to look at the types of polymorphic objects.
TEST(DnsResolvingWithout, descriptors_fails) {
  DnsPeer server;
  Loop loop;
  DnsResolver resolver(loop, {server.endpoint()});
  std::optional<DnsAnswer> answer;
  Task<> task = keep_in(answer, resolver.ask(name, DnsType::a, 4s));
  {
    const support::NoDescriptors none;
    task.await_suspend(std::noop_coroutine()).resume();
  }
  ASSERT_TRUE(run_until(loop, [&] { return answer.has_value(); }));
  EXPECT_TRUE(answer->error.starts_with(server.endpoint().text() + ": ")) << answer->error;
}

TEST(SystemDnsServers, are_those_of_the_file) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "sluice-resolv.conf";
  const auto servers = [&](std::string_view content) {
    std::ofstream(path) << content;
    std::string out;
    for (const Endpoint& server : system_dns_servers(path.c_str())) out += server.text() + ' ';
    return out;
  };
  EXPECT_EQ(servers("search example.com\nnameserver 10.0.0.2\nnameserver fd00::2\n"
                    "nameserver 10.0.0.2\n"),
            "10.0.0.2:53 [fd00::2]:53 ");
  EXPECT_EQ(servers("# nothing\n"), "127.0.0.1:53 ");
  std::string many;
  for (int i = 1; i < 20; ++i) many += "nameserver 10.0.0." + std::to_string(i) + '\n';
  std::ofstream(path) << many;
  EXPECT_EQ(system_dns_servers(path.c_str()).size(), dns_servers_max);
  std::filesystem::remove(path);
  EXPECT_EQ(system_dns_servers(path.c_str()), std::vector{loopback(53)});
}

}  // namespace
}  // namespace sluice::net
