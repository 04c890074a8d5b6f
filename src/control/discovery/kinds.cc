#include "control/discovery/kinds.h"

#include <array>

#include "control/discovery/dns.h"
#include "control/discovery/ec2.h"
#include "control/discovery/file.h"

namespace sluice::control::discovery {

// In the order of the manual: ec2, dns, file.
std::span<const Kind> kinds() {
  static constexpr std::array<Kind, 3> all{{
      {"ec2", read_ec2_source},
      {"dns", read_dns},
      {"file", read_file_source},
  }};
  return all;
}

}  // namespace sluice::control::discovery
