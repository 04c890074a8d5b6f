// What one peer did within a window of time, against the limits of H2Settings (T13, T14).
#pragma once

#include <cstdint>

#include "sluice/base/clock.h"
#include "sluice/http/h2_session.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

// Windows follow one another: a peer may do at most twice the limit around their border. That is
// no weakness, for limits are far from what hurts, and counting so costs one comparison.
class H2Abuse {
 public:
  explicit H2Abuse(const H2Settings& settings) : limits_(settings) {}

  // Once per `receive`; a new window begins when the old one is over.
  void tick(base::SteadyTime now, std::uint64_t content_sent);

  // Each counts one more: none, or the reason of the limit that was crossed.
  [[nodiscard]] observe::Reason reset() {
    return count(resets_, limits_.resets, observe::Reason::h2_too_many_resets);
  }
  [[nodiscard]] observe::Reason provoked_reset() {
    return count(provoked_resets_, limits_.provoked_resets,
                 observe::Reason::h2_too_many_provoked_resets);
  }
  [[nodiscard]] observe::Reason settings() {
    return count(settings_, limits_.settings, observe::Reason::h2_too_many_settings);
  }
  [[nodiscard]] observe::Reason ping() {
    return count(pings_, limits_.pings, observe::Reason::h2_too_many_pings);
  }
  [[nodiscard]] observe::Reason priority_update() {
    return count(priority_updates_, limits_.priority_updates,
                 observe::Reason::h2_too_many_priority_updates);
  }
  [[nodiscard]] observe::Reason empty_data() {
    return count(empty_data_, limits_.empty_data, observe::Reason::h2_too_many_empty_data);
  }
  // A peer that takes much gives many of them, rightly: `content_sent` buys more.
  [[nodiscard]] observe::Reason window_update(std::uint64_t content_sent);
  // A block beyond the limits costs its sender a fraction of what decoding it costs us (T15).
  [[nodiscard]] observe::Reason refused_head() {
    return count(refused_heads_, limits_.refused_heads, observe::Reason::h2_too_many_refused_heads);
  }
  // Not by time, but of one field block, which begins with `begin_block`.
  void begin_block() { continuations_ = 0; }
  [[nodiscard]] observe::Reason continuation() {
    return count(continuations_, limits_.continuations, observe::Reason::h2_too_many_continuations);
  }

 private:
  static observe::Reason count(std::uint32_t& counter, std::uint32_t limit,
                               observe::Reason reason) {
    return ++counter > limit && limit != 0 ? reason : observe::Reason::none;
  }

  const H2Settings& limits_;  // the session's
  base::SteadyTime window_began_;
  std::uint64_t sent_when_it_began_ = 0;
  std::uint32_t resets_ = 0;
  std::uint32_t provoked_resets_ = 0;
  std::uint32_t settings_ = 0;
  std::uint32_t pings_ = 0;
  std::uint32_t priority_updates_ = 0;
  std::uint32_t empty_data_ = 0;
  std::uint64_t window_updates_ = 0;
  std::uint32_t refused_heads_ = 0;
  std::uint32_t continuations_ = 0;
};

}  // namespace sluice::http
