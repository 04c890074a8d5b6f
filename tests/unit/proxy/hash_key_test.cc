#include "proxy/hash_key.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/identify.h"
#include "sluice/base/hash.h"
#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using config::HashSource;

// A request that has been read from `peer`, an address or a Unix socket.
class Request {
 public:
  explicit Request(const std::string& target, const std::string& fields = {},
                   const net::Endpoint& peer = *net::Endpoint::numeric("192.0.2.1", 50'000)) {
    config::Problems problems;
    snapshot_ = rig_.build(
        support::forward_all({8081}, "forwarding: { trusted_proxies: [ 192.0.2.0/24 ] }\n"),
        problems);
    for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
    auto slot = std::make_shared<ListenerSlot>();
    slot->name = "web";
    slot->view = std::make_shared<const View>(rig_.worker().cells(), snapshot_,
                                              std::vector<std::shared_ptr<upstream::Group>>{});
    slot->listener = &slot->view->listeners[0];
    support::Pair pair = support::unix_pair();
    connection_ = std::make_unique<Connection>(rig_.worker(), slot, std::move(pair.ours), peer);
    exchange_.begin(*connection_, base::Steady::now());
    text_ = "GET " + target + " HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
    http::H1Parser parser({65536, 65536, 65536, 200});
    EXPECT_EQ(parser.parse(base::as_bytes(text_), exchange_.request), http::Progress::complete)
        << observe::text(parser.reason());
    identify_client(exchange_);
  }
  ~Request() { exchange_.clear(); }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] std::optional<std::uint64_t> hash(HashSource source,
                                                  const std::string& name = {}) const {
    return hash_of({source, name}, exchange_);
  }

 private:
  support::ProxyRig rig_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<Connection> connection_;
  std::string text_;
  Exchange exchange_;
};

TEST(HashKey, the_first_field_of_a_name_in_any_case_counts) {
  const Request request("/", "X-Tenant: acme\r\nx-tenant: other\r\nX-Empty:\r\n");
  EXPECT_EQ(request.hash(HashSource::header, "x-tenant"), base::hash("acme"));
  EXPECT_EQ(request.hash(HashSource::header, "host"), base::hash("a.example"));
  EXPECT_EQ(request.hash(HashSource::header, "x-empty"), std::nullopt);
  EXPECT_EQ(request.hash(HashSource::header, "x-absent"), std::nullopt);
}

TEST(HashKey, the_first_cookie_of_a_name_counts) {
  const Request request("/", "Cookie: a=1; sid=42\r\nCookie: sid=43; empty=\r\n");
  EXPECT_EQ(request.hash(HashSource::cookie, "sid"), base::hash("42"));
  EXPECT_EQ(request.hash(HashSource::cookie, "SID"), std::nullopt);
  EXPECT_EQ(request.hash(HashSource::cookie, "empty"), std::nullopt);
}

TEST(HashKey, the_first_parameter_of_a_name_counts_as_sent) {
  const Request request("/?xsid=1&sidx=2&sid&sid=a%20b=c&sid=3&flag&last=");
  EXPECT_EQ(request.hash(HashSource::query, "sid"), base::hash("a%20b=c"));
  EXPECT_EQ(request.hash(HashSource::query, "xsid"), base::hash("1"));
  EXPECT_EQ(request.hash(HashSource::query, "flag"), std::nullopt);
  EXPECT_EQ(request.hash(HashSource::query, "last"), std::nullopt);
  EXPECT_EQ(request.hash(HashSource::query, "s"), std::nullopt);
  const Request without("/");
  EXPECT_EQ(without.hash(HashSource::query, "sid"), std::nullopt);
}

TEST(HashKey, the_path_counts_in_its_normal_form_without_the_query) {
  const Request plain("/a/b?x=1");
  const Request same("/a//./%62?y=2");
  const Request other("/a/B");
  EXPECT_EQ(plain.hash(HashSource::path), base::hash("/a/b"));
  EXPECT_EQ(same.hash(HashSource::path), plain.hash(HashSource::path));
  EXPECT_NE(other.hash(HashSource::path), plain.hash(HashSource::path));
}

TEST(HashKey, the_client_counts_whoever_its_proxy_is) {
  const Request direct("/", "", *net::Endpoint::numeric("203.0.113.7", 1));
  const Request other_port("/", "", *net::Endpoint::numeric("203.0.113.7", 2));
  const Request by_proxy("/", "X-Forwarded-For: 203.0.113.7\r\n");
  const Request forged("/", "X-Forwarded-For: 203.0.113.7\r\n",
                       *net::Endpoint::numeric("198.51.100.1", 1));
  const auto hash = direct.hash(HashSource::source_ip);
  ASSERT_TRUE(hash.has_value());
  EXPECT_EQ(hash, base::hash(std::string_view("\xcb\x00\x71\x07", 4)));
  EXPECT_EQ(other_port.hash(HashSource::source_ip), hash);
  EXPECT_EQ(by_proxy.hash(HashSource::source_ip), hash);
  EXPECT_NE(forged.hash(HashSource::source_ip), hash);
}

TEST(HashKey, a_client_on_a_unix_socket_has_no_address) {
  const Request unnamed("/", "", net::Endpoint::unix_path("/run/client.sock"));
  EXPECT_EQ(unnamed.hash(HashSource::source_ip), std::nullopt);
}

}  // namespace
}  // namespace sluice::proxy
