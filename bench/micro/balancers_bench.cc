// What one choice of a target costs, by algorithm and number of targets, while requests begin and
// end: here, and, as other workers would do it, elsewhere.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "sluice/balance/balancer.h"
#include "sluice/target/latency.h"

namespace {

using namespace sluice;
using namespace std::chrono_literals;

// As the workers' own (proxy/random.h), but the same in each run. SplitMix64.
class Random {
 public:
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
  }

 private:
  std::uint64_t state_ = 7;
};

// Three weights by turns, and times to answer from 1 to 20 ms.
target::TargetSet targets(std::size_t count, base::SteadyTime now) {
  constexpr std::array<std::uint32_t, 3> weights{100, 50, 150};
  target::TargetSet set;
  for (std::size_t i = 0; i < count; ++i) {
    const auto endpoint = net::Endpoint::numeric("127.0.0.1", static_cast<std::uint16_t>(i + 1));
    auto target = std::make_shared<target::Target>("group", endpoint->text(), *endpoint);
    target::record_latency(*target, std::chrono::milliseconds(1 + i % 20), now);
    set.members.push_back({std::move(target), weights[i % weights.size()]});
  }
  return set;
}

// Without an algorithm: what beginning and ending requests costs by itself.
void pick(benchmark::State& state, const std::string& algorithm) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const base::SteadyTime now{1'000s};
  const target::TargetSet set = targets(count, now);
  const auto balancer = balance::make_balancer(algorithm);
  if (balancer != nullptr) balancer->reset(set);

  // About four requests for each target are under way; with each one that is chosen here, one that
  // began elsewhere takes the place of one that has ended.
  Random random;
  std::vector<std::atomic<std::int32_t>*> under_way;
  const auto begin = [&](std::size_t member) {
    under_way.push_back(&set.members[member].target->active_requests);
    under_way.back()->fetch_add(1, std::memory_order_relaxed);
  };
  for (std::size_t i = 0; i < 4 * count; ++i) begin(i % count);
  const auto replace_any = [&](std::size_t member) {
    std::atomic<std::int32_t>*& ended = under_way[random.next() % under_way.size()];
    ended->fetch_sub(1, std::memory_order_relaxed);
    ended = &set.members[member].target->active_requests;
    ended->fetch_add(1, std::memory_order_relaxed);
  };
  for (auto _ : state) {
    const std::uint64_t bits = random.next();
    const balance::PickHint hint{.random = bits, .hash = bits * 0xff51afd7ed558ccdU, .now = now};
    replace_any(balancer != nullptr ? *balancer->pick(set, hint) : bits % count);
    replace_any(random.next() % count);
  }
}

void reset(benchmark::State& state, const std::string& algorithm) {
  const target::TargetSet set =
      targets(static_cast<std::size_t>(state.range(0)), base::SteadyTime{1'000s});
  const auto balancer = balance::make_balancer(algorithm);
  for (auto _ : state) {
    balancer->reset(set);
    benchmark::DoNotOptimize(balancer->pick(set, {.random = 1}));
  }
}

const bool registered = [] {
  std::vector<std::string_view> names = balance::balancer_names();
  names.emplace_back("none");
  for (const std::string_view name : names) {
    const std::string algorithm(name);
    for (const std::int64_t count : {2, 10, 100, 1'000}) {
      benchmark::RegisterBenchmark(("pick/" + algorithm).c_str(), pick, algorithm)->Arg(count);
    }
    if (name == "none") continue;
    benchmark::RegisterBenchmark(("reset/" + algorithm).c_str(), reset, algorithm)->Arg(1'000);
  }
  return true;
}();

}  // namespace
