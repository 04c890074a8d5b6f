// The makers of checks.cc, one pair per kind.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "control/health/check.h"

namespace sluice::control::health {

inline constexpr std::array<std::string_view, 6> http_keys{"method",  "path",    "host",
                                                           "headers", "matcher", "body_match"};
[[nodiscard]] std::shared_ptr<const Check> make_http(const Source& source,
                                                     config::Problems& problems);
[[nodiscard]] std::shared_ptr<const Check> make_https(const Source& source,
                                                      config::Problems& problems);

[[nodiscard]] std::shared_ptr<const Check> make_tcp(const Source& source,
                                                    config::Problems& problems);

inline constexpr std::array<std::string_view, 4> grpc_keys{"path", "service", "host", "matcher"};
[[nodiscard]] std::shared_ptr<const Check> make_grpc(const Source& source,
                                                     config::Problems& problems);

}  // namespace sluice::control::health
