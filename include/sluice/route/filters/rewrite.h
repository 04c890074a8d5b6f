// rewrite: what the target is asked for instead. Decided behind the rule, so it routes nothing.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/http/message.h"
#include "sluice/route/regex.h"
#include "sluice/route/value_template.h"

namespace sluice::route {

struct RegexRewrite {
  Regex regex;
  Replacement replacement;
};

struct PathRewrite {
  std::vector<std::string> strip_prefixes;  // whole segments, "" never; the first that fits
  std::optional<std::pair<std::string, std::string>> replace_prefix;  // from, to; "" for the root
  std::optional<RegexRewrite> regex;
  std::string add_prefix;  // empty: none
};

struct QueryRewrite {
  std::vector<std::string> removals;  // names as they are, not as they are escaped
  std::vector<std::pair<std::string, ValueTemplate>> sets;
};

// Unset: as it arrived.
struct RewrittenRequest {
  std::optional<std::string> path;   // in normal form
  std::optional<std::string> query;  // without '?'; empty: none
  std::optional<std::string> host;   // a valid authority
};

struct Rewrite {
  std::optional<RegexRewrite> url;  // on path and query together; without `path` and `query`
  std::optional<PathRewrite> path;
  std::optional<QueryRewrite> query;
  std::optional<std::string> host;
  std::optional<RegexRewrite> host_regex;  // without `host`

  static constexpr std::size_t target_bytes_max = 16 * 1024;  // path and query together

  // False when something matched and gives what no request can have: a path that does not begin
  // with '/' or has no normal form, a query or a host with other characters, too many bytes.
  [[nodiscard]] bool apply(const http::RequestHead& request, const Variables& variables,
                           RewrittenRequest& out) const;
};

}  // namespace sluice::route
