// What happens to a request before its rule's action, and to the answer after it: the settings of
// all kinds of filters of one rule.
//
// Built on the control thread, then constant and shared by all workers. A rule takes the listener's
// `filters` for every kind that it does not name itself; `KIND: off` takes none. Kinds run in one
// order (proxy/filters.cc), whatever the order in the file. A kind with live state (counters, keys
// that are fetched) holds it by shared pointer, and keeps the former configuration's object when
// its settings are equal, so that a reload does not reset it.
//
// To add a kind: its settings in include/sluice/route/filters/KIND.h, its reader in
// src/route/filters/KIND.cc, one member here, one row in src/route/filters.cc, what it does in
// src/proxy/filters/KIND.cc, one call in src/proxy/filters.cc,
// tests/unit/route/filters/KIND_test.cc and a section in docs/rules.md.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/route/action.h"
#include "sluice/route/filters/basic_auth.h"
#include "sluice/route/filters/compress.h"
#include "sluice/route/filters/cors.h"
#include "sluice/route/filters/error_pages.h"
#include "sluice/route/filters/forward_auth.h"
#include "sluice/route/filters/header_edits.h"
#include "sluice/route/filters/ip_access.h"
#include "sluice/route/filters/jwt.h"
#include "sluice/route/filters/mirror.h"
#include "sluice/route/filters/rate_limit.h"
#include "sluice/route/filters/rewrite.h"

namespace sluice::route {

// Null: not set.
struct Filters {
  std::shared_ptr<const IpAccess> ip_access;
  std::shared_ptr<const Cors> cors;
  std::shared_ptr<const RateLimits> rate_limit;
  std::shared_ptr<const BasicAuth> basic_auth;
  std::shared_ptr<const Jwt> jwt;
  std::shared_ptr<const ForwardAuth> forward_auth;
  std::shared_ptr<const Rewrite> rewrite;
  std::shared_ptr<const HeaderEdits> request_headers;
  std::shared_ptr<const Mirror> mirror;
  std::shared_ptr<const Compress> compress;
  std::shared_ptr<const HeaderEdits> response_headers;
  std::shared_ptr<const ErrorPages> error_pages;

  bool operator==(const Filters&) const = default;
  [[nodiscard]] bool is_empty() const { return *this == Filters{}; }
};

// What a reader may look at besides its value.
struct FilterContext {
  const GroupLookup& groups;
  const config::Listener& listener;
  // Of the rule of this name, or of the listener, in the configuration before; null: none.
  const Filters* former = nullptr;
  // Of a rule: those of its listener in the configuration before; null: none. What `former` has of
  // them was shared by rules, so its live state becomes no rule's own.
  const Filters* former_listener = nullptr;
};

// `filters` with what `node`, a mapping of kinds, sets. Problems are recorded; the kinds that have
// any are left as they were.
[[nodiscard]] Filters read_filters(const config::Node& node, Filters filters,
                                   const FilterContext& context, config::Problems& problems);

// In the order of the table.
[[nodiscard]] std::vector<std::string_view> filter_names();

}  // namespace sluice::route
