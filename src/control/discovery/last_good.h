// What the answers of one source mean for one group: the rule that all kinds share.
//
// The last good set stays whatever fails, and when an answer is empty, for `hold`; then it is let
// go. An answer that would take away more than `shrink_percent` of the set adds what it has, and
// takes away only what the answer before it lacked as well: it asks for a second one that confirms.
// Addresses that never are targets are refused: the metadata services, which hand out credentials
// (T23), all of link-local (169.254.0.0/16, fe80::/10), unspecified and multicast ones, and
// loopback where the source says so. Plain logic: no clock, log or I/O of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/discovery/provider.h"
#include "sluice/base/clock.h"
#include "sluice/control/membership.h"

namespace sluice::control::discovery {

struct Rule {
  // A source that is out of order over night must not take its targets along; but one day somebody
  // else has been given their addresses. 0: for ever.
  config::Milliseconds hold{24 * 3'600'000};
  std::uint32_t shrink_percent = 50;  // 0..100; 100: whatever the answer says
  std::size_t max_targets = 10'000;   // beyond it targets are passed over, those known last
  bool may_be_loopback = true;        // as the source says
};

enum class Result : std::uint8_t {
  success,
  empty,    // no target that may be one
  failure,  // no answer
};

class LastGood {
 public:
  struct Outcome {
    Result result = Result::success;
    bool is_changed = false;     // `members` is another list now
    std::size_t refused = 0;     // addresses that never are targets
    std::string refused_sample;  // one of them
    std::size_t surplus = 0;     // passed over, beyond max_targets
    std::size_t unconfirmed =
        0;                     // lacking, but kept until a second answer lacks them too: ask soon
    bool begins_hold = false;  // the first answer in a row that was not good, and there is a set
    bool ends_hold = false;    // good again
  };

  explicit LastGood(Rule rule) : rule_(rule) {}
  // Begins with what another source of the group had found. The rule holds for that just as well:
  // a slip in new settings must not take all targets away with one answer.
  LastGood(Rule rule, SharedMembers inherited);

  void use(Rule rule) { rule_ = rule; }
  // An answer came.
  [[nodiscard]] Outcome take(const Look& look, base::SteadyTime now);
  // True: `hold` is over, and there are no members now.
  [[nodiscard]] bool expire(base::SteadyTime now);

  // Null: none yet.
  [[nodiscard]] const SharedMembers& members() const { return members_; }
  // The set is kept although the last answer was not good; with a time when that ends.
  [[nodiscard]] bool is_held() const { return held_since_.has_value(); }
  [[nodiscard]] std::optional<base::SteadyTime> held_until() const;

 private:
  [[nodiscard]] std::vector<Member> wanted(const Look& look, Outcome& outcome) const;
  void pass_over_surplus(std::vector<Member>& members, Outcome& outcome) const;
  void replace(std::vector<Member> wanted, Outcome& outcome);
  void hold(Outcome& outcome, base::SteadyTime now);

  Rule rule_;
  SharedMembers members_;
  std::vector<std::string> lacking_;  // ids that the last good answer lacked, sorted
  std::optional<base::SteadyTime> held_since_;
};

// Never a target that was discovered, whatever names it.
[[nodiscard]] bool is_refused_address(const net::Endpoint& endpoint, bool may_be_loopback = true);

}  // namespace sluice::control::discovery
