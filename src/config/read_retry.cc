// When a failed try is repeated on another target, and how much of that there may be.
#include <algorithm>
#include <array>

#include "config/readers.h"
#include "sluice/base/text.h"

namespace sluice::config {
namespace {

struct Failure {
  std::string_view name;
  bool Retry::* field;
};

constexpr std::array failures{
    Failure{"connect_failure", &Retry::connect_failure},
    Failure{"reset", &Retry::reset},
    Failure{"timeout", &Retry::timeout},
    Failure{"malformed", &Retry::malformed},
};

std::optional<std::uint16_t> parse_status(std::string_view text) {
  const auto status = base::parse_decimal(text);
  if (!status || *status < 400 || *status > 599) return std::nullopt;
  return static_cast<std::uint16_t>(*status);
}

void read_reason(const Node& node, Retry& retry, Unique& reasons, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return;
  const auto failure = std::ranges::find(failures, *text, &Failure::name);
  const auto status = parse_status(*text);
  if (failure != failures.end()) {
    retry.*(failure->field) = true;
  } else if (status) {
    retry.statuses.push_back(*status);
  } else {
    node.error(
        "must be connect_failure, reset, timeout, malformed or a status from 400 to 599, not " +
            node.quoted(),
        problems);
    return;
  }
  reasons.add(status ? std::to_string(*status) : *text, node, problems);
}

// The list stands in the place of the default one: what it does not name is not tried again.
void read_reasons(const std::vector<Node>& items, Retry& retry, Problems& problems) {
  for (const Failure& failure : failures) retry.*(failure.field) = false;
  Unique reasons("reason");
  for (const Node& item : items) read_reason(item, retry, reasons, problems);
}

void read_budget(const Node& node, Retry& retry, Problems& problems) {
  Section section(node, problems);
  section.number("percent", {0, 100}, retry.budget_percent);
  section.number("burst", {0, 1'000'000}, retry.budget_burst);
}

}  // namespace

void read_retry(const Node& node, Retry& retry, Problems& problems) {
  Section section(node, problems);
  section.number("attempts", {0, 10}, retry.attempts);
  const std::vector<Node> reasons = section.list("on");
  if (node.get("on")) {
    read_reasons(reasons, retry, problems);
  } else if (const auto empty = node.get_section("on")) {
    empty->error("is empty; leave it out, or write [] for nothing", problems);
  }
  section.size("body_buffer", {0, 16 * mebibyte}, retry.body_buffer);
  if (const auto budget = section.section("budget")) read_budget(*budget, retry, problems);
  section.duration("hedge_delay", {Milliseconds(0), std::chrono::minutes(1)}, retry.hedge_delay);

  if (retry.attempts == 0 && retry.hedge_delay.count() > 0) {
    node.get("hedge_delay")
        ->error("needs attempts of at least 1: the second request counts as one", problems);
  }
}

void read_retry_overrides(const Node& node, RetryOverrides& overrides, Problems& problems) {
  if (const auto budget = node.get_section("budget")) {
    budget->error("belongs to the target group: it bounds the retries of all rules together",
                  problems);
  }
  read_retry(node, overrides.values, problems);
  overrides.has_attempts = node.get("attempts").has_value();
  overrides.has_reasons = node.get("on").has_value();
  overrides.has_body_buffer = node.get("body_buffer").has_value();
  overrides.has_hedge_delay = node.get("hedge_delay").has_value();
}

Retry RetryOverrides::over(Retry group) const {
  if (has_attempts) group.attempts = values.attempts;
  if (has_reasons) {
    for (const Failure& failure : failures) group.*(failure.field) = values.*(failure.field);
    group.statuses = values.statuses;
  }
  if (has_body_buffer) group.body_buffer = values.body_buffer;
  if (has_hedge_delay) group.hedge_delay = values.hedge_delay;
  return group;
}

}  // namespace sluice::config
