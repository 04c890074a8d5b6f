// tcp: connecting is all.
#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

TEST(HealthTcp, a_server_that_takes_the_connection_passes_and_is_sent_nothing) {
  Probe probe("{ protocol: tcp }");
  probe.begin();
  support::Peer peer = probe.accept();
  EXPECT_EQ(probe.finish().reason, StateReason::none);
  ASSERT_TRUE(support::run_until(probe.loop(), [&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received(), "");
}

TEST(HealthTcp, a_port_where_nobody_listens_fails) {
  Probe probe("{ protocol: tcp }");
  probe.server().close();
  probe.begin();
  EXPECT_EQ(probe.finish().reason, StateReason::connection_refused);
}

TEST(HealthTcp, a_want_of_descriptors_is_not_the_targets_fault) {
  // UndefinedBehaviorSanitizer looks at a vtable through a pipe, the first time: not when there is
  // no descriptor for one.
  Probe former("{ protocol: tcp }");
  former.begin();
  EXPECT_EQ(former.finish().reason, StateReason::none);

  Probe probe("{ protocol: tcp }");
  {
    const support::NoDescriptors none;
    probe.begin();
  }
  EXPECT_EQ(probe.finish().reason, StateReason::internal_error);
}

TEST(HealthTcp, keys_of_a_request_mean_nothing_to_it) {
  const ReadPlan read = read_plan("{ protocol: tcp, path: /, matcher: 200 }");
  EXPECT_NE(read.errors.find("health_check.path: has no meaning with protocol tcp"),
            std::string::npos);
  EXPECT_NE(read.errors.find("health_check.matcher: has no meaning"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control::testing
