// Keys of the PROXY protocol, on both sides.
#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using std::chrono::milliseconds;
using test::joined;
using test::load_group;
using test::load_yaml;

test::Loaded load_listener(const std::string& bind, const std::string& proxy_protocol) {
  return load_yaml("listeners:\n  - name: a\n    bind: \"" + bind +
                   "\"\n    proxy_protocol: " + proxy_protocol + "\n");
}

TEST(ProxyProtocol, is_off_unless_asked_for) {
  const auto loaded = load_yaml(std::string(test::smallest));
  ASSERT_TRUE(loaded.model);
  EXPECT_EQ(loaded.model->listeners[0].proxy_protocol, ProxyProtocol{});
  EXPECT_EQ(loaded.model->listeners[0].proxy_protocol.mode, ProxyProtocolMode::off);
  EXPECT_EQ(loaded.model->limits.proxy_header_bytes, 4096U);
}

TEST(ProxyProtocol, is_read_with_whom_it_trusts) {
  const auto loaded = load_listener(
      "0.0.0.0:80", "{ mode: optional, trusted: [10.0.0.0/8, \"2001:db8::1\"], timeout: 2s }");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  const ProxyProtocol& settings = loaded.model->listeners[0].proxy_protocol;
  EXPECT_EQ(settings.mode, ProxyProtocolMode::optional);
  EXPECT_EQ(settings.trusted, (std::vector<std::string>{"10.0.0.0/8", "2001:db8::1/128"}));
  EXPECT_EQ(settings.timeout, milliseconds(2'000));
}

TEST(ProxyProtocol, may_name_nobody_where_only_this_machine_connects) {
  for (const char* bind : {"127.0.0.1:80", "127.8.0.1:80", "[::1]:80", "unix:/run/a.sock"}) {
    for (const char* value : {"required", "optional", "{ mode: required }"}) {
      const auto loaded = load_listener(bind, value);
      ASSERT_TRUE(loaded.model) << bind << value << joined(loaded);
      EXPECT_TRUE(loaded.messages.empty()) << joined(loaded);
      EXPECT_NE(loaded.model->listeners[0].proxy_protocol.mode, ProxyProtocolMode::off);
    }
  }
  EXPECT_TRUE(load_listener("0.0.0.0:80", "off").model);
  EXPECT_TRUE(load_listener("0.0.0.0:80", "{ mode: off }").model);
}

TEST(ProxyProtocol, has_to_name_somebody_everywhere_else) {
  for (const char* bind : {"0.0.0.0:80", "10.0.0.1:80", "[::]:80", "[2001:db8::1]:80"}) {
    for (const char* value : {"required", "optional", "{ mode: required, trusted: [] }"}) {
      const auto loaded = load_listener(bind, value);
      EXPECT_FALSE(loaded.model) << bind << value;
      EXPECT_EQ(joined(loaded),
                "f:4:21: listeners[0].proxy_protocol: needs trusted, a list of the addresses "
                "whose headers are believed, such as [10.0.0.0/8], unless bind is a loopback "
                "address or a Unix socket\n");
    }
  }
}

struct Wrong {
  const char* value;
  const char* message;
};

TEST(ProxyProtocol, names_what_is_wrong_with_it) {
  for (const Wrong& row : {
           Wrong{"yes", "proxy_protocol: must be off, optional or required, not 'yes'"},
           Wrong{"[required]", "proxy_protocol: must be off, optional or required"},
           Wrong{"{ trusted: [10.0.0.0/8] }", "proxy_protocol.mode: missing"},
           Wrong{"{ mode: on, trusted: [10.0.0.0/8] }",
                 "proxy_protocol.mode: must be off, optional or required, not 'on'"},
           Wrong{"{ mode: required, trusted: [10.0.0.1/8] }",
                 "proxy_protocol.trusted[0]: must be an IP address or a range"},
           Wrong{"{ mode: required, trusted: [10.0.0.0/8], timeout: 0 }",
                 "proxy_protocol.timeout: must be "},
           Wrong{"{ mode: required, trusted: [10.0.0.0/8], version: 2 }",
                 "proxy_protocol.version: "},
       }) {
    const auto loaded = load_listener("0.0.0.0:80", row.value);
    EXPECT_FALSE(loaded.model) << row.value;
    ASSERT_EQ(loaded.messages.size(), 1U) << row.value << joined(loaded);
    EXPECT_NE(joined(loaded).find(row.message), std::string::npos) << joined(loaded);
  }
  const auto on_unix = load_listener("unix:/run/a.sock", "{ mode: required, trusted: [::1] }");
  EXPECT_NE(joined(on_unix).find("not on a Unix socket"), std::string::npos) << joined(on_unix);
}

TEST(ProxyProtocol, warns_of_trusting_everybody) {
  const auto loaded = load_listener("0.0.0.0:80", "{ mode: required, trusted: [0.0.0.0/0] }");
  EXPECT_TRUE(loaded.model);
  EXPECT_NE(joined(loaded).find("may say that he is any client"), std::string::npos)
      << joined(loaded);
}

TEST(ProxyProtocol, towards_targets_has_a_version) {
  EXPECT_EQ(load_group("").model->target_groups[0].proxy_protocol, ProxyHeaderVersion::off);
  EXPECT_EQ(load_group("    proxy_protocol: off\n").model->target_groups[0].proxy_protocol,
            ProxyHeaderVersion::off);
  EXPECT_EQ(load_group("    proxy_protocol: v1\n").model->target_groups[0].proxy_protocol,
            ProxyHeaderVersion::v1);
  EXPECT_EQ(load_group("    proxy_protocol: v2\n").model->target_groups[0].proxy_protocol,
            ProxyHeaderVersion::v2);
  const auto wrong = load_group("    proxy_protocol: 2\n");
  EXPECT_NE(joined(wrong).find("proxy_protocol: must be off, v1 or v2, not '2'"), std::string::npos)
      << joined(wrong);
}

}  // namespace
}  // namespace sluice::config
