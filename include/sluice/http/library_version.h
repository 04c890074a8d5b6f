// The HTTP/2 library that is linked, for `sluice --version`.
#pragma once

#include <string>

namespace sluice::http {

[[nodiscard]] std::string http2_library_version();  // "nghttp2 1.52.0"

}  // namespace sluice::http
