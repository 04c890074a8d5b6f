// The key `jwks` of the filter jwt.
#pragma once

#include <memory>

#include "sluice/config/node.h"
#include "sluice/route/filters/jwt_keys.h"

namespace sluice::route {

// { file: F } or { url: U, ... }. `former`: kept when it is of equal settings, and of the same keys
// when they are a file's; or null. Null, with the problem recorded, when the value is wrong.
[[nodiscard]] std::shared_ptr<KeySource> read_key_source(const config::Node& node,
                                                         const std::shared_ptr<KeySource>& former,
                                                         config::Problems& problems);

}  // namespace sluice::route
