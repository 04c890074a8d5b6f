// The rules of one listener, in the order in which they are tried.
//
// Built on the control thread, then constant and shared by all workers. The first rule whose
// conditions all hold decides; when none does, the default rule. An index (src/route/table) finds
// the rules that are worth trying, so that what a request costs does not grow with the rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/route/action.h"
#include "sluice/route/condition.h"
#include "sluice/route/explanation.h"
#include "sluice/route/filters.h"

namespace sluice::route {

struct Rule {
  std::string name;            // "default" for the default rule
  std::uint32_t priority = 0;  // 1..50000, lowest first; 0 for the default rule, as in ALB's log
  std::vector<std::unique_ptr<Condition>> conditions;  // all must hold; none for the default rule
  std::optional<Action> action;  // absent only in a default rule: 404 (Reason::no_rule)
  Filters filters;               // its own, else the listener's
  bool has_filters = false;
  config::TimeoutOverrides timeouts;
  std::optional<std::uint64_t>
      body_bytes;  // of the request; 0: unlimited; absent: the global limit
  config::RetryOverrides retry;
  config::LoggedExchanges logged = config::LoggedExchanges::all;
};

class TableIndex;  // src/route/table/index.h

class Table {
 public:
  // Nothing, with all problems recorded, when any rule, filter or the default action is wrong.
  // `former`: of this listener in the configuration before, whose filters' state lives on; or null.
  [[nodiscard]] static std::optional<Table> build(const config::Listener& listener,
                                                  const GroupLookup& groups,
                                                  config::Problems& problems,
                                                  const Table* former = nullptr);

  // The rule that decides. Lives as long as the table.
  [[nodiscard]] const Rule& match(const MatchInput& input) const;

  // The same, with every rule on the way to it tried and reported. Time in the number of rules.
  [[nodiscard]] Explanation explain(const MatchInput& input) const;

  // By priority; the default rule, which always exists, is the last.
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

 private:
  Table(Filters filters, std::vector<Rule> rules);

  Filters filters_;  // of the listener
  std::vector<Rule> rules_;
  std::shared_ptr<const TableIndex> index_;  // of all rules but the default rule
};

}  // namespace sluice::route
