// A head that proxy/headers.h wrote as lines of text, taken apart for an HTTP/2 session.
#pragma once

#include <string_view>
#include <vector>

#include "sluice/base/bytes.h"
#include "sluice/http/h2_session.h"

namespace sluice::upstream {

// Views into `text`; `lines` is filled anew. Ends at an empty line. Fields that carry secrets are
// marked, so that HPACK never keeps them (RFC 7541 7.1.3).
void split_lines(base::Bytes text, std::vector<http::H2Session::Line>& lines);

}  // namespace sluice::upstream
