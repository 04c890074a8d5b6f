// Several workers report and probe while the control thread lets time pass and applies settings.
#include <algorithm>
#include <atomic>
#include <thread>

#include "sluice/target/eligible.h"
#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

constexpr std::size_t members = 5;
constexpr std::size_t most = 2;  // half of them, rounded down
constexpr int workers = 3;
constexpr int tries = 4'000;

// Who has the right to probe each target; more than one at a time would be a fault.
struct Probers {
  std::vector<std::atomic<int>> at = std::vector<std::atomic<int>>(members);
  std::atomic<int> most_at_once{0};
  std::atomic<int> taken{0};
};

Outcome outcome_of(int i) {
  if (i % 7 == 0) return Outcome::failure;
  return i % 5 == 0 ? Outcome::server_error : Outcome::success;
}

// The right is counted out before it is handed back, so that a second one is seen for certain.
void probe(Group& group, std::size_t i, Outcome outcome, base::SteadyTime now, Probers& probers) {
  if (!GroupState::take_probe(group.at(i))) return;
  ++probers.taken;
  const int here = ++probers.at[i];
  int known = probers.most_at_once;
  while (known < here && !probers.most_at_once.compare_exchange_weak(known, here)) {
  }
  --probers.at[i];
  if (outcome == Outcome::server_error) {
    GroupState::give_up_probe(group.at(i));
  } else {
    group.state.report(group.at(i), outcome, true, now);
  }
}

void work(Group& group, int worker, const std::atomic<std::int64_t>& clock, Probers& probers) {
  for (int n = 0; n < tries; ++n) {
    const base::SteadyTime now{milliseconds(clock.load(std::memory_order_relaxed))};
    const std::size_t i = static_cast<std::size_t>(n * 31 + worker) % members;
    group.state.report(group.at(i), outcome_of(n + worker), false, now);
    probe(group, static_cast<std::size_t>(n) % members, outcome_of(n), now, probers);
    (void)eligible(group.set(), {}, now);
  }
}

TEST(GroupStateThreads, never_more_are_ejected_than_allowed_and_nobody_probes_beside_another) {
  config::PassiveHealth settings;
  settings.error_rate_percent = 50;
  settings.window = 50ms;
  settings.ejection_time = 20ms;
  settings.max_ejection_time = 40ms;
  Group group(members, settings);
  std::atomic<std::int64_t> clock{1'000'000};
  std::atomic<int> running{workers};
  Probers probers;
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      work(group, worker, clock, probers);
      --running;
    });
  }
  std::size_t most_seen = 0;
  std::size_t changes = 0;
  std::uint64_t generation = group.state.generation();
  while (running != 0) {
    const base::SteadyTime now{milliseconds(clock.fetch_add(1))};
    group.state.advance(now);
    group.state.apply(std::make_shared<const TargetSet>(group.set()), settings, 10ms);
    most_seen = std::max(most_seen, group.state.ejected_count());
    changes += group.state.take_changes().size();
    EXPECT_GT(group.state.generation(), generation);
    generation = group.state.generation();
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_LE(most_seen, most);
  EXPECT_LE(probers.most_at_once, 1);
  changes += group.state.take_changes().size();
  EXPECT_GT(changes, 0u);
  std::uint64_t requests = 0;
  std::size_t out = 0;
  for (const TargetSet::Member& member : group.set().members) {
    requests += member.target->total_requests;
    if (member.target->ejection != Ejection::none) ++out;
  }
  EXPECT_GE(requests, static_cast<std::uint64_t>(workers) * tries);
  EXPECT_EQ(out, group.state.ejected_count());
}

TEST(GroupStateThreads, however_many_see_a_run_at_once_there_is_one_ejection) {
  Group group(2);
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&group, worker] {
      for (int n = 0; n < tries; ++n) {
        group.state.report(group.at(0), outcome_of(n + worker), false, group.now);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(group.ejection(0), Ejection::ejected);
  const std::vector<Change> changes = group.state.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].ejected_for, 10s);
  group.pass(10s);
  group.probe(0, Outcome::success);
  EXPECT_EQ(group.ejection(0), Ejection::none);
}

}  // namespace
}  // namespace sluice::target::testing
