// grpc: known, and refused.
#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

TEST(HealthGrpc, it_is_refused_with_what_it_would_need) {
  const ReadPlan read = read_plan("{ protocol: grpc }");
  EXPECT_EQ(read.plan, nullptr);
  EXPECT_EQ(read.errors,
            "f:6:31: target_groups[0].health_check.protocol: grpc needs HTTP/2 towards targets, "
            "which this version does not have; use http, https or tcp\n");
}

}  // namespace
}  // namespace sluice::control::testing
