// A condition of a rule: the interface of all kinds.
//
// Built on the control thread from its configuration, then constant: `matches` is called by all
// workers at once and takes time linear in the request. To add a kind: one file in
// src/route/conditions, one row in conditions.cc, one test named after it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/node.h"
#include "sluice/route/match_input.h"

namespace sluice::route {

struct Anchor;  // src/route/anchor.h
using Anchors = std::vector<Anchor>;

class Condition {
 public:
  // What it is made of, for those that compare conditions (src/route/coverage.h).
  enum class Form : std::uint8_t { texts, source_ip, query, not_, any, all };

  explicit Condition(Form form) : form_(form) {}
  virtual ~Condition() = default;
  // Allocates nothing, but for long query parameters with escapes.
  [[nodiscard]] virtual bool matches(const MatchInput& input) const = 0;

  // For people: what it asks for, in the words of the configuration (`path: /api, /api/*`), and
  // what the request has there (`"/x"`, or `nothing`). The latter is the client's, and not escaped.
  [[nodiscard]] virtual std::string text() const = 0;
  [[nodiscard]] virtual std::string compared(const MatchInput& input) const = 0;

  // What an index can look for. Of each element, any of its anchors is in every request that the
  // condition matches; none: nothing can be said.
  [[nodiscard]] virtual std::vector<Anchors> anchors() const = 0;

  [[nodiscard]] Form form() const { return form_; }

 private:
  Form form_;
};

// How deep `not` and `any` may stand inside of each other.
inline constexpr unsigned condition_depth_max = 8;

// `condition` is a mapping with one key, the kind. Null, with problems recorded, when the kind is
// unknown or does not like its value. `depth`: of the groups around it.
[[nodiscard]] std::unique_ptr<Condition> make_condition(const config::Node& condition,
                                                        config::Problems& problems,
                                                        unsigned depth = 0);

// In the order of the table.
[[nodiscard]] std::vector<std::string_view> condition_names();

}  // namespace sluice::route
