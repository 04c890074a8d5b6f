// grpc: its keys; what it finds is seen in tests/integration/test_h2_targets.py.
#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

TEST(HealthGrpc, its_keys_have_defaults) {
  EXPECT_NE(read_plan("{ protocol: grpc }").plan, nullptr);
  EXPECT_NE(read_plan("{ protocol: grpc, service: a.B, matcher: \"0,12\" }").plan, nullptr);
}

TEST(HealthGrpc, statuses_beyond_99_are_refused) {
  EXPECT_NE(read_plan("{ protocol: grpc, matcher: 0-100 }").errors.find("from 0 to 99"),
            std::string::npos);
}

TEST(HealthGrpc, a_service_goes_with_the_health_service_only) {
  EXPECT_NE(read_plan("{ protocol: grpc, path: /a.B/C, service: d }").errors.find("only with path"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::control::testing
