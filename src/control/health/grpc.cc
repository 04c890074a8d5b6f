// grpc: the standard gRPC health service. It needs HTTP/2, so the kind is known and refused.
#include "control/health/makers.h"

namespace sluice::control::health {

std::shared_ptr<const Check> make_grpc(const Source& source, config::Problems& problems) {
  source.node.get("protocol")
      .value_or(source.node)
      .error(
          "grpc needs HTTP/2 towards targets, which this version does not have; use http, https "
          "or tcp",
          problems);
  return nullptr;
}

}  // namespace sluice::control::health
