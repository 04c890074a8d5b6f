// The keys of checks over HTTP: what is asked, and which answers are a pass.
#pragma once

#include <optional>
#include <string>

#include "control/health/matcher.h"
#include "sluice/config/node.h"
#include "sluice/http/message.h"
#include "sluice/route/regex.h"

namespace sluice::control::health {

struct HttpSettings {
  http::Method method = http::Method::get;
  std::string method_text = "GET";
  std::string path = "/";  // with its query, if it has one
  std::string host;        // empty: the target's address
  // The lines of `headers`, and User-Agent when these do not name one, each with CRLF.
  std::string fields;
  StatusMatcher matcher;
  std::optional<route::Regex> body_match;
};

// Nothing of it can break the request: names are tokens, values and path have no control bytes.
[[nodiscard]] HttpSettings read_http_settings(const config::Node& node, config::Problems& problems);

}  // namespace sluice::control::health
