// Target sets out of weights, and the balancer that is tested on them.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sluice/balance/balancer.h"

namespace sluice::balance::testing {

inline target::TargetSet set_of(const std::vector<std::uint32_t>& weights) {
  target::TargetSet set;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto endpoint = net::Endpoint::numeric("127.0.0.1", static_cast<std::uint16_t>(i + 1));
    auto target = std::make_shared<target::Target>("group", endpoint->text(), *endpoint);
    set.members.push_back({std::move(target), weights[i]});
  }
  return set;
}

// A balancer with its set and a repeatable source of random bits.
class Subject {
 public:
  Subject(std::string_view name, const std::vector<std::uint32_t>& weights, std::uint64_t seed = 1)
      : Subject(name, set_of(weights), seed) {}

  // On the same targets as another worker.
  Subject(std::string_view name, target::TargetSet shared, std::uint64_t seed)
      : set(std::move(shared)), balancer(make_balancer(name)), random_(seed) {
    balancer->reset(set);
  }

  std::optional<std::size_t> pick(const std::vector<const target::Target*>& excluded = {}) {
    return balancer->pick(set,
                          {.excluded = excluded, .random = random_(), .hash = hash, .now = now});
  }

  // How often each member is picked in `picks` picks of requests that take no time.
  std::vector<std::size_t> count(std::size_t picks,
                                 const std::vector<const target::Target*>& excluded = {}) {
    std::vector<std::size_t> counts(set.members.size());
    for (std::size_t i = 0; i < picks; ++i) {
      const auto picked = pick(excluded);
      if (picked) ++counts.at(*picked);
    }
    return counts;
  }

  // The same when `most` requests are under way at a time: the oldest ends when there is one more.
  std::vector<std::size_t> count_under_way(
      std::size_t picks, std::size_t most,
      const std::vector<const target::Target*>& excluded = {}) {
    std::vector<std::size_t> counts(set.members.size());
    for (std::size_t i = 0; i < picks; ++i) {
      const std::size_t picked = pick_and_hold(excluded).value();
      ++counts.at(picked);
      if (held_.size() > most) end_oldest();
    }
    return counts;
  }

  // A request begins, and one ends.
  std::optional<std::size_t> pick_and_hold(
      const std::vector<const target::Target*>& excluded = {}) {
    const auto picked = pick(excluded);
    if (picked) {
      add_active(*picked, 1);
      held_.push_back(*picked);
    }
    return picked;
  }
  void end_oldest() { end_held(0); }
  void end_any() { end_held(random_() % held_.size()); }
  [[nodiscard]] std::size_t held() const { return held_.size(); }

  void add_active(std::size_t member, std::int32_t requests) {
    set.members.at(member).target->active_requests.fetch_add(requests, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int32_t active(std::size_t member) const {
    return set.members.at(member).target->active_requests.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::vector<std::int32_t> all_active() const {
    std::vector<std::int32_t> result;
    for (std::size_t i = 0; i < set.members.size(); ++i) result.push_back(active(i));
    return result;
  }

  [[nodiscard]] const target::Target* member(std::size_t index) const {
    return set.members.at(index).target.get();
  }

  target::TargetSet set;
  std::unique_ptr<Balancer> balancer;
  std::optional<std::uint64_t> hash;                  // of the next picks
  base::SteadyTime now{std::chrono::seconds(1'000)};  // at the next picks

 private:
  void end_held(std::size_t index) {
    add_active(held_.at(index), -1);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  std::mt19937_64 random_;
  std::deque<std::size_t> held_;
};

// Each member's count within `tolerance` (a fraction) of its share by weight.
inline void expect_shares(const std::vector<std::size_t>& counts,
                          const std::vector<std::uint32_t>& weights, double tolerance = 0.02) {
  const auto picks = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0UL));
  const auto sum = static_cast<double>(std::accumulate(weights.begin(), weights.end(), 0UL));
  ASSERT_EQ(counts.size(), weights.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double share = picks * weights[i] / sum;
    EXPECT_NEAR(static_cast<double>(counts[i]), share, share * tolerance) << "member " << i;
  }
}

}  // namespace sluice::balance::testing
