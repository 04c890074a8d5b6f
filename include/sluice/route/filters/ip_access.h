// ip_access: who may come, by address.
#pragma once

#include <vector>

#include "sluice/base/cidr.h"

namespace sluice::route {

struct IpAccess {
  std::vector<base::Cidr> allow;  // empty: everybody
  std::vector<base::Cidr> deny;   // wins over `allow`

  [[nodiscard]] bool admits(const base::IpAddress& client) const;

  bool operator==(const IpAccess&) const = default;
};

}  // namespace sluice::route
