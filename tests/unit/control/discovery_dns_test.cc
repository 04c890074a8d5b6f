#include "control/discovery/dns.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <optional>

#include "control/discovery/dns_weights.h"
#include "sluice/config/load.h"
#include "support/dns.h"

namespace sluice::control::discovery {
namespace {

using namespace std::chrono_literals;
using net::DnsService;
using net::DnsType;
using support::dns_address;
using support::dns_service;
using support::DnsMessage;
using support::DnsPeer;
using support::pass_time;
using support::run_until;

// --- settings -----------------------------------------------------------------------------------

std::shared_ptr<const Source> read(const std::string& yaml, std::string& errors) {
  config::Problems problems;
  const auto node = config::parse(yaml, "f", problems);
  auto source = read_dns(node.value(), problems);
  for (const auto& problem : problems.sorted()) errors += problem.text() + '\n';
  return source;
}

std::string errors_of(const std::string& yaml) {
  std::string errors;
  EXPECT_EQ(read(yaml, errors) == nullptr, !errors.empty());
  return errors;
}

std::shared_ptr<const Source> source_of(const std::string& yaml) {
  std::string errors;
  auto source = read(yaml, errors);
  EXPECT_EQ(errors, "");
  return source;
}

TEST(DnsSettings, a_name_with_a_port_or_services_are_a_source) {
  const auto name = source_of("{ name: API.internal., port: 8080 }");
  EXPECT_EQ(name->kind(), "dns");
  EXPECT_EQ(name->text(), "dns api.internal:8080");
  EXPECT_EQ(name->refresh(), 30s);
  EXPECT_EQ(source_of("{ srv: _api._tcp.internal, refresh: 5s }")->text(),
            "dns _api._tcp.internal");
  EXPECT_EQ(source_of("{ srv: _api._tcp.internal, refresh: 5s }")->refresh(), 5s);
}

TEST(DnsSettings, equal_settings_have_equal_fingerprints) {
  const std::string base = "name: a.test, port: 80";
  const auto print = [](const std::string& keys) {
    return source_of("{ " + keys + " }")->fingerprint();
  };
  EXPECT_EQ(print(base), print("port: 80, name: A.test."));
  EXPECT_EQ(print(base + ", servers: [10.0.0.2]"), print(base + ", servers: ['10.0.0.2:53']"));
  for (const char* other :
       {"family: ipv4", "servers: [10.0.0.2]", "timeout: 1s", "min_ttl: 2s", "max_ttl: 1m",
        "refresh: 1s", "accumulate: 1m", "allow_loopback: true"}) {
    EXPECT_NE(print(base), print(base + ", " + other)) << other;
  }
  EXPECT_NE(print(base), print("name: a.test, port: 81"));
}

TEST(DnsSettings, name_and_srv_exclude_each_other) {
  EXPECT_EQ(errors_of("{ port: 80 }"),
            "f:1:1: needs name, for A and AAAA records, or srv, for SRV records\n");
  EXPECT_EQ(errors_of("{ name: a.test, srv: b.test }"),
            "f:1:1: has both name and srv; use one of them\n");
  EXPECT_EQ(errors_of("{ name: a.test }"),
            "f:1:1: port: missing; it must be the port of the targets, 1 to 65535\n");
  EXPECT_EQ(errors_of("{ srv: a.test, port: 80 }"),
            "f:1:22: port: is not for srv: the records have the ports\n");
  EXPECT_EQ(errors_of("a.test"), "f:1:1: must be a mapping, not 'a.test'\n");
}

TEST(DnsSettings, what_is_no_name_is_refused) {
  const auto with_name = [](const std::string& name) {
    return errors_of("{ name: '" + name + "', port: 80 }");
  };
  EXPECT_EQ(with_name("10.0.0.1"),
            "f:1:9: name: must be a name, not the address '10.0.0.1', which belongs to targets\n");
  for (const char* bad : {"10.0.0.256", "a..b", "a b", "http://a.test", "a.test:80", "."}) {
    EXPECT_EQ(with_name(bad),
              "f:1:9: name: must be a name of the DNS, such as api.internal, not '" +
                  std::string(bad) + "'\n");
  }
}

TEST(DnsSettings, servers_are_addresses) {
  const auto with_servers = [](const std::string& servers) {
    return errors_of("{ srv: a.test, servers: " + servers + " }");
  };
  EXPECT_EQ(with_servers("['10.0.0.2', '10.0.0.3:5353', 'fd00::2', '[fd00::3]:53']"), "");
  EXPECT_EQ(with_servers("[]"), "f:1:25: servers: must have 1 to 8 servers\n");
  EXPECT_EQ(with_servers("10.0.0.2"), "f:1:25: servers: must be a list, not '10.0.0.2'\n");
  EXPECT_EQ(with_servers("[10.0.0.2, '10.0.0.2:53']"),
            "f:1:36: servers[1]: the server 10.0.0.2:53 is named twice\n");
  for (const char* bad : {"dns.test", "dns.test:53", "10.0.0.2:0", "unix:/dns"}) {
    EXPECT_EQ(with_servers("['" + std::string(bad) + "']"),
              "f:1:26: servers[0]: must be an IP address with or without a port, such as "
              "10.0.0.2:53 or [fd00::2]:53, not '" +
                  std::string(bad) + "'\n");
  }
}

TEST(DnsSettings, loopback_has_to_be_allowed) {
  EXPECT_FALSE(source_of("{ srv: a.test }")->may_name_loopback());
  EXPECT_TRUE(source_of("{ srv: a.test, allow_loopback: true }")->may_name_loopback());
  EXPECT_NE(errors_of("{ srv: a.test, allow_loopback: 7 }"), "");
}

TEST(DnsSettings, times_have_ranges) {
  const auto with = [](const std::string& setting) {
    return errors_of("{ srv: a.test, " + setting + " }");
  };
  const auto is_refused = [&](const std::string& key, const std::string& value,
                              const std::string& range) {
    const std::string error = with(key + ": " + value);
    EXPECT_NE(error.find(": " + key + ": must be a duration from " + range + ", "),
              std::string::npos)
        << error;
  };
  is_refused("timeout", "99ms", "100ms to 1m");
  is_refused("timeout", "61s", "100ms to 1m");
  is_refused("min_ttl", "99ms", "100ms to 1h");
  is_refused("min_ttl", "2h", "100ms to 1h");
  is_refused("max_ttl", "999ms", "1s to 1d");
  is_refused("max_ttl", "2d", "1s to 1d");
  is_refused("refresh", "0", "100ms to 1h");
  is_refused("refresh", "2h", "100ms to 1h");
  is_refused("accumulate", "2d", "0 to 1d");
  EXPECT_EQ(with("min_ttl: 10s, max_ttl: 9s"), "f:1:1: max_ttl must not be shorter than min_ttl\n");
  EXPECT_EQ(with("min_ttl: 10s, accumulate: 9s"),
            "f:1:1: accumulate must be 0 or not shorter than min_ttl\n");
  EXPECT_EQ(with("min_ttl: 10s, accumulate: 0"), "");
  EXPECT_EQ(with("family: ipv5"), "f:1:24: family: must be any, ipv4 or ipv6, not 'ipv5'\n");
  EXPECT_EQ(with("tymeout: 1s"), "f:1:16: tymeout: unknown key; did you mean 'timeout'?\n");
}

// --- SRV ----------------------------------------------------------------------------------------

std::vector<DnsService> services(const std::vector<std::uint16_t>& weights) {
  std::vector<DnsService> list;
  for (const std::uint16_t weight : weights) list.push_back({1, weight, 80, "a.test"});
  return list;
}

TEST(DnsWeights, small_ones_stay_and_large_ones_keep_their_proportion) {
  using Weights = std::vector<std::uint32_t>;
  EXPECT_EQ(target_weights(services({1, 10, 999})), (Weights{1, 10, 999}));
  EXPECT_EQ(target_weights(services({1000, 2000})), (Weights{500, 999}));
  EXPECT_EQ(target_weights(services({65535, 1})), (Weights{999, 1}));
  EXPECT_EQ(target_weights(services({0, 0})), (Weights{1, 1}));
  EXPECT_EQ(target_weights(services({10, 0, 5})), (Weights{999, 1, 500}));
  EXPECT_EQ(target_weights({}), Weights{});
}

TEST(DnsWeights, priorities_come_in_order_without_what_is_no_server) {
  const auto groups = by_priority({{20, 0, 80, "c.test"},
                                   {10, 0, 80, "a.test"},
                                   {5, 0, 80, ""},
                                   {10, 0, 0, "nothing.test"},
                                   {10, 0, 81, "b.test"}});
  ASSERT_EQ(groups.size(), 2U);
  ASSERT_EQ(groups[0].size(), 2U);
  EXPECT_EQ(groups[0][0].target, "a.test");
  EXPECT_EQ(groups[0][1].target, "b.test");
  EXPECT_EQ(groups[1][0].target, "c.test");
}

// --- looks --------------------------------------------------------------------------------------

class DnsLooking : public ::testing::Test {
 protected:
  void use(const std::string& settings) {
    provider_ = source_of("{ " + settings + ", servers: ['" + server_.endpoint().text() + "'] }")
                    ->make(loop_);
  }
  void look() {
    look_.reset();
    task_.emplace(keep(provider_->look()));
    task_->await_suspend(std::noop_coroutine()).resume();
  }
  // The next question has to be this one.
  DnsMessage asked(const std::string& name, DnsType type) {
    EXPECT_TRUE(run_until(loop_, [this] { return server_.has_question(); }));
    EXPECT_EQ(server_.question().name, name);
    EXPECT_EQ(server_.question().type, type);
    return server_.question().reply();
  }
  void send(const DnsMessage& message) { server_.send(message.bytes()); }
  // The same question comes again, over TCP.
  DnsMessage asked_for_much(const std::string& name, DnsType type) {
    send(asked(name, type).truncated());
    return asked(name, type);
  }
  void answer_nothing(const std::string& name, DnsType type) { send(asked(name, type)); }
  void answer_v4(const std::string& name, const std::vector<std::string>& addresses,
                 std::uint32_t ttl = 60) {
    DnsMessage message = asked(name, DnsType::a);
    for (const std::string& one : addresses) {
      message.answer(name, DnsMessage::a, ttl, dns_address(one));
    }
    send(message);
  }
  std::string seen() {
    EXPECT_TRUE(run_until(loop_, [this] { return look_.has_value(); }));
    if (!look_) return "nothing";
    std::string out = look_->error;
    for (const Found& found : look_->targets) {
      EXPECT_EQ(found.id, found.endpoint.text());
      out += found.id + '/' + std::to_string(found.weight) + ' ';
    }
    return out;
  }

  net::Loop loop_;
  DnsPeer server_;
  std::optional<Look> look_;
  std::unique_ptr<Provider> provider_;

 private:
  net::Task<> keep(net::Task<Look> looking) { look_ = co_await std::move(looking); }
  std::optional<net::Task<>> task_;
};

TEST_F(DnsLooking, the_addresses_of_both_families_are_targets) {
  use("name: api.test, port: 80");
  look();
  answer_v4("api.test", {"10.0.0.1", "10.0.0.2"}, 60);
  send(asked("api.test", DnsType::aaaa)
           .answer("api.test", DnsMessage::aaaa, 40, dns_address("2001:db8::1")));
  EXPECT_EQ(seen(), "10.0.0.1:80/1 10.0.0.2:80/1 [2001:db8::1]:80/1 ");
  EXPECT_EQ(look_->valid_for, 40s);
}

TEST_F(DnsLooking, only_the_family_that_is_wanted_is_asked_for) {
  use("name: api.test, port: 80, family: ipv4");
  look();
  answer_v4("api.test", {"10.0.0.1"});
  EXPECT_EQ(seen(), "10.0.0.1:80/1 ");
  use("name: api.test, port: 80, family: ipv6");
  look();
  send(asked("api.test", DnsType::aaaa)
           .answer("api.test", DnsMessage::aaaa, 40, dns_address("::1")));
  EXPECT_EQ(seen(), "[::1]:80/1 ");
}

TEST_F(DnsLooking, the_time_to_live_is_kept_within_its_bounds) {
  use("name: api.test, port: 80, family: ipv4, min_ttl: 2s, max_ttl: 10s");
  for (const auto& [ttl, expected] : {std::pair{0U, 2s}, std::pair{5U, 5s}, std::pair{999U, 10s}}) {
    look();
    answer_v4("api.test", {"10.0.0.1"}, ttl);
    seen();
    EXPECT_EQ(look_->valid_for, expected);
  }
}

TEST_F(DnsLooking, no_such_name_is_an_answer_without_targets) {
  use("name: api.test, port: 80");
  look();
  send(asked("api.test", DnsType::a).code(3));
  EXPECT_EQ(seen(), "");
  EXPECT_EQ(look_->note, "api.test: no such name");
  EXPECT_EQ(look_->valid_for, std::nullopt);
  look();
  answer_nothing("api.test", DnsType::a);
  answer_nothing("api.test", DnsType::aaaa);
  EXPECT_EQ(seen(), "");
}

TEST_F(DnsLooking, a_failure_of_aaaa_beside_addresses_leaves_the_last_ones_of_ipv6) {
  use("name: api.test, port: 80");
  const std::string note = "api.test AAAA: " + server_.endpoint().text() +
                           ": answered SERVFAIL; its last addresses stay";
  look();
  answer_v4("api.test", {"10.0.0.1"});
  send(asked("api.test", DnsType::aaaa).code(2));
  EXPECT_EQ(seen(), "10.0.0.1:80/1 ");
  EXPECT_EQ(look_->note, note);
  look();
  answer_v4("api.test", {"10.0.0.1"});
  send(asked("api.test", DnsType::aaaa)
           .answer("api.test", DnsMessage::aaaa, 40, dns_address("2001:db8::1")));
  EXPECT_EQ(seen(), "10.0.0.1:80/1 [2001:db8::1]:80/1 ");
  look();
  answer_v4("api.test", {"10.0.0.2"});
  send(asked("api.test", DnsType::aaaa).code(2));
  EXPECT_EQ(seen(), "10.0.0.2:80/1 [2001:db8::1]:80/1 ");
  EXPECT_EQ(look_->note, note);
  EXPECT_EQ(look_->valid_for, 30s);
}

TEST_F(DnsLooking, a_failure_of_a_or_of_all_that_is_asked_is_no_answer) {
  use("name: api.test, port: 80");
  look();
  send(asked("api.test", DnsType::a).code(2));
  EXPECT_EQ(seen(), "api.test A: " + server_.endpoint().text() + ": answered SERVFAIL");
  look();
  answer_nothing("api.test", DnsType::a);
  send(asked("api.test", DnsType::aaaa).code(2));
  EXPECT_EQ(seen(), "api.test AAAA: " + server_.endpoint().text() + ": answered SERVFAIL");
}

TEST_F(DnsLooking, silence_ends_within_the_timeout) {
  use("name: api.test, port: 80, timeout: 1s");
  look();
  asked("api.test", DnsType::a);
  pass_time(loop_, 600ms);
  asked("api.test", DnsType::a);
  EXPECT_FALSE(look_.has_value());
  pass_time(loop_, 600ms);
  EXPECT_EQ(seen(), "api.test A: " + server_.endpoint().text() + ": no answer in time");
}

TEST_F(DnsLooking, services_name_targets_ports_and_weights) {
  use("srv: _api._tcp.test");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 30, 8080, "a.test"))
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 10, 8081, "b.test"))
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(2, 10, 8082, "c.test"))
           .additional("a.test", DnsMessage::a, 50, dns_address("10.0.0.1"))
           .additional("a.test", DnsMessage::aaaa, 50, dns_address("::1"))
           .additional("c.test", DnsMessage::a, 5, dns_address("10.0.0.3")));
  // What did not come along is asked for.
  answer_v4("b.test", {"10.0.0.2"}, 20);
  answer_nothing("b.test", DnsType::aaaa);
  EXPECT_EQ(seen(), "10.0.0.1:8080/30 [::1]:8080/30 10.0.0.2:8081/10 ");
  EXPECT_EQ(look_->valid_for, 20s);
}

TEST_F(DnsLooking, the_next_priority_is_used_when_the_first_has_no_address) {
  use("srv: _api._tcp.test, family: ipv4");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(2, 1, 8081, "b.test"))
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8080, "a.test")));
  send(asked("a.test", DnsType::a).code(3));
  answer_v4("b.test", {"10.0.0.2"});
  EXPECT_EQ(seen(), "10.0.0.2:8081/1 ");
}

TEST_F(DnsLooking, a_target_that_several_services_name_is_asked_for_once) {
  use("srv: _api._tcp.test, family: ipv4");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8080, "a.test"))
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8081, "a.test")));
  answer_v4("a.test", {"10.0.0.1"});
  EXPECT_EQ(seen(), "10.0.0.1:8080/1 10.0.0.1:8081/1 ");
}

TEST_F(DnsLooking, a_service_that_does_not_exist_has_no_targets) {
  use("srv: _api._tcp.test");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(0, 0, 0, "")));
  EXPECT_EQ(seen(), "");
}

TEST_F(DnsLooking, a_service_whose_target_cannot_be_looked_up_is_no_answer) {
  use("srv: _api._tcp.test");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8080, "a.test"))
           .additional("b.test", DnsMessage::a, 5, dns_address("10.0.0.3")));
  send(asked("a.test", DnsType::a).code(5));
  EXPECT_EQ(seen(), "a.test A: " + server_.endpoint().text() + ": answered REFUSED");
}

TEST_F(DnsLooking, one_service_whose_target_fails_keeps_its_last_addresses_and_the_others_count) {
  use("srv: _api._tcp.test, family: ipv4");
  const auto services = [this] {
    send(asked("_api._tcp.test", DnsType::srv)
             .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8080, "a.test"))
             .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8081, "b.test")));
  };
  look();
  services();
  answer_v4("a.test", {"10.0.0.1"});
  answer_v4("b.test", {"10.0.0.2"});
  EXPECT_EQ(seen(), "10.0.0.1:8080/1 10.0.0.2:8081/1 ");
  for (int i = 0; i < 2; ++i) {
    look();
    services();
    send(asked("a.test", DnsType::a).code(2));
    answer_v4("b.test", {"10.0.0.3"});
    EXPECT_EQ(seen(), "10.0.0.1:8080/1 10.0.0.3:8081/1 ");
    EXPECT_EQ(look_->note, "a.test A: " + server_.endpoint().text() +
                               ": answered SERVFAIL; its last addresses stay");
  }
  // Nothing fresh: no answer.
  look();
  services();
  send(asked("a.test", DnsType::a).code(2));
  send(asked("b.test", DnsType::a).code(5));
  EXPECT_EQ(seen(), "a.test A: " + server_.endpoint().text() + ": answered SERVFAIL");
}

TEST_F(DnsLooking, a_service_whose_target_is_no_name_is_passed_over) {
  use("srv: _api._tcp.test, family: ipv4");
  look();
  send(asked("_api._tcp.test", DnsType::srv)
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8080, "a b.test"))
           .answer("_api._tcp.test", DnsMessage::srv, 60, dns_service(1, 1, 8081, "b.test")));
  answer_v4("b.test", {"10.0.0.2"});
  EXPECT_EQ(seen(), "10.0.0.2:8081/1 ");
  EXPECT_EQ(look_->note, "_api._tcp.test SRV: a target is no name, and is passed over");
}

TEST_F(DnsLooking, names_to_look_up_and_targets_have_a_limit) {
  use("srv: _api._tcp.test, family: ipv4");
  look();
  DnsMessage many = asked_for_much("_api._tcp.test", DnsType::srv);
  for (int i = 0; i < 65; ++i) {
    many.answer("_api._tcp.test", DnsMessage::srv, 60,
                dns_service(1, 1, 80, "n" + std::to_string(i) + ".test"));
  }
  send(many);
  for (int i = 0; i < 64 && !HasFailure(); ++i) {
    answer_nothing("n" + std::to_string(i) + ".test", DnsType::a);
  }
  EXPECT_EQ(seen(), "_api._tcp.test SRV: more than 64 names without an address");

  look();
  DnsMessage wide = asked_for_much("_api._tcp.test", DnsType::srv);
  for (int i = 0; i < 60; ++i) {
    wide.answer("_api._tcp.test", DnsMessage::srv, 60,
                dns_service(1, 1, static_cast<std::uint16_t>(80 + i), "a.test"));
  }
  for (int i = 0; i < 20; ++i) {
    wide.additional("a.test", DnsMessage::a, 60, dns_address("10.0.0." + std::to_string(i)));
  }
  send(wide);
  EXPECT_EQ(seen(), "_api._tcp.test: more than 1000 targets");
}

TEST_F(DnsLooking, answers_within_the_window_are_put_together) {
  use("name: api.test, port: 80, family: ipv4, accumulate: 10s");
  look();
  answer_v4("api.test", {"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(seen(), "10.0.0.1:80/1 10.0.0.2:80/1 ");
  pass_time(loop_, 6s);
  look();
  answer_v4("api.test", {"10.0.0.2", "10.0.0.3"});
  EXPECT_EQ(seen(), "10.0.0.1:80/1 10.0.0.2:80/1 10.0.0.3:80/1 ");
  pass_time(loop_, 6s);
  look();
  answer_v4("api.test", {"10.0.0.4"});
  EXPECT_EQ(seen(), "10.0.0.2:80/1 10.0.0.3:80/1 10.0.0.4:80/1 ");
}

TEST_F(DnsLooking, the_window_stands_still_while_there_is_no_good_answer) {
  use("name: api.test, port: 80, family: ipv4, accumulate: 10s");
  look();
  answer_v4("api.test", {"10.0.0.1", "10.0.0.2"});
  seen();
  pass_time(loop_, 6s);
  look();
  send(asked("api.test", DnsType::a).code(2));
  EXPECT_NE(look_.has_value() ? look_->error : seen(), "");
  pass_time(loop_, 30s);
  look();
  answer_nothing("api.test", DnsType::a);
  EXPECT_EQ(seen(), "");
  pass_time(loop_, 30s);
  look();
  answer_v4("api.test", {"10.0.0.3"});
  EXPECT_EQ(seen(), "10.0.0.1:80/1 10.0.0.2:80/1 10.0.0.3:80/1 ");
  pass_time(loop_, 11s);
  look();
  answer_v4("api.test", {"10.0.0.4"});
  EXPECT_EQ(seen(), "10.0.0.4:80/1 ");
}

TEST_F(DnsLooking, without_a_window_an_answer_stands_for_itself) {
  use("name: api.test, port: 80, family: ipv4");
  look();
  answer_v4("api.test", {"10.0.0.1"});
  seen();
  look();
  answer_v4("api.test", {"10.0.0.2"});
  EXPECT_EQ(seen(), "10.0.0.2:80/1 ");
}

TEST_F(DnsLooking, the_provider_may_go_while_it_looks) {
  use("name: api.test, port: 80");
  look();
  asked("api.test", DnsType::a);
  provider_.reset();
  pass_time(loop_, 30s);
  pass_time(loop_, 30s);
  support::settle(loop_);
}

}  // namespace
}  // namespace sluice::control::discovery
