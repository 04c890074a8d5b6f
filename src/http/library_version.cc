#include "sluice/http/library_version.h"

#include <nghttp2/nghttp2.h>

namespace sluice::http {

std::string http2_library_version() {
  return std::string("nghttp2 ") + nghttp2_version(0)->version_str;
}

}  // namespace sluice::http
