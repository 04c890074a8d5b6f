#include "sluice/route/rate_limiter.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace sluice::route {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr base::SteadyTime start{hours(1)};

Rate per_second(std::uint32_t requests) { return {requests, seconds(1)}; }

// Asks until it is refused; how often it was admitted.
int drain(RateLimiter& limiter, std::string_view key, base::SteadyTime now) {
  int admitted = 0;
  while (limiter.take(key, now).is_admitted) ++admitted;
  return admitted;
}

TEST(Rate, is_a_number_of_requests_per_unit) {
  EXPECT_EQ(Rate::parse("100/s"), (Rate{100, seconds(1)}));
  EXPECT_EQ(Rate::parse("6000/m"), (Rate{6000, minutes(1)}));
  EXPECT_EQ(Rate::parse("1000000/h"), (Rate{1'000'000, hours(1)}));
  for (const char* text : {"", "100", "/s", "0/s", "1000001/s", "-1/s", "1.5/s", "100 /s", "100/S",
                           "100/sec", "100/d", "100/s "}) {
    EXPECT_FALSE(Rate::parse(text)) << text;
  }
}

TEST(RateLimiter, a_new_key_has_its_burst_and_then_the_rate) {
  RateLimiter limiter(per_second(10), 5, 100);
  EXPECT_EQ(drain(limiter, "a", start), 5);
  EXPECT_EQ(drain(limiter, "a", start + milliseconds(99)), 0);
  EXPECT_EQ(drain(limiter, "a", start + milliseconds(100)), 1);
  EXPECT_EQ(drain(limiter, "a", start + milliseconds(350)), 2);
  EXPECT_EQ(drain(limiter, "a", start + milliseconds(400)), 1);  // the half that was left counts
}

TEST(RateLimiter, a_bucket_never_holds_more_than_its_burst) {
  RateLimiter limiter({Rate::requests_most, hours(1)}, RateLimiter::burst_most, 10);
  EXPECT_TRUE(limiter.take("a", start).is_admitted);
  const auto much_later = start + hours(24 * 365 * 100);
  EXPECT_EQ(drain(limiter, "a", much_later), static_cast<int>(RateLimiter::burst_most));
}

TEST(RateLimiter, keys_do_not_share_a_bucket) {
  RateLimiter limiter(per_second(1), 2, 100);
  EXPECT_EQ(drain(limiter, "a", start), 2);
  EXPECT_EQ(drain(limiter, "b", start), 2);
  EXPECT_EQ(drain(limiter, "", start), 2);
}

// 7 per second is no whole number of nanoseconds. Asked so often, the bucket is never full again.
TEST(RateLimiter, admits_exactly_the_rate_however_often_it_is_asked) {
  RateLimiter limiter(per_second(7), 2, 10);
  int admitted = 0;
  for (int i = 0; i <= 1'000'000; ++i) {
    admitted += limiter.take("a", start + nanoseconds(100'003) * i).is_admitted ? 1 : 0;
  }
  EXPECT_EQ(admitted, 2 + 700);  // in 100.003 s
}

TEST(RateLimiter, says_how_long_to_wait_and_what_is_left) {
  RateLimiter limiter({2, minutes(1)}, 3, 10);
  const auto first = limiter.take("a", start);
  EXPECT_TRUE(first.is_admitted);
  EXPECT_EQ(first.remaining, 2);
  EXPECT_EQ(first.until_full, seconds(30));
  EXPECT_EQ(drain(limiter, "a", start), 2);
  const auto refused = limiter.take("a", start + seconds(10));
  EXPECT_FALSE(refused.is_admitted);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.until_next, seconds(20));
  EXPECT_EQ(refused.until_full, seconds(80));
  EXPECT_FALSE(limiter.take("a", start + seconds(30) - nanoseconds(1)).is_admitted);
  EXPECT_TRUE(limiter.take("a", start + seconds(30)).is_admitted);
}

TEST(RateLimiter, a_time_before_the_last_one_fills_nothing) {
  RateLimiter limiter(per_second(1), 1, 10);
  EXPECT_EQ(drain(limiter, "a", start), 1);
  EXPECT_EQ(drain(limiter, "a", start - seconds(5)), 0);
  EXPECT_EQ(drain(limiter, "a", start), 0);
  EXPECT_EQ(drain(limiter, "a", start + seconds(1)), 1);
}

TEST(RateLimiter, what_is_given_back_can_be_taken_again_and_no_more) {
  RateLimiter limiter(per_second(1), 2, 10);
  EXPECT_EQ(drain(limiter, "a", start), 2);
  limiter.give_back("a");
  EXPECT_EQ(drain(limiter, "a", start), 1);
  for (int i = 0; i < 5; ++i) limiter.give_back("a");
  EXPECT_EQ(drain(limiter, "a", start), 2);
  limiter.give_back("nobody");
  EXPECT_EQ(limiter.key_count(), 1);
}

TEST(RateLimiter, the_least_recently_used_key_goes_when_it_is_full) {
  RateLimiter limiter(per_second(1), 1, 3);
  for (const char* key : {"a", "b", "c"}) EXPECT_FALSE(limiter.take(key, start).has_evicted);
  EXPECT_FALSE(limiter.take("a", start).is_admitted);  // used again: b is the oldest now
  const auto verdict = limiter.take("d", start);
  EXPECT_TRUE(verdict.is_admitted);
  EXPECT_TRUE(verdict.has_evicted);
  EXPECT_EQ(limiter.key_count(), 3);
  for (const char* key : {"a", "c", "d"}) EXPECT_FALSE(limiter.take(key, start).is_admitted) << key;
  EXPECT_TRUE(limiter.take("b", start).is_admitted);
  EXPECT_EQ(limiter.key_count(), 3);
}

TEST(RateLimiter, one_key_may_be_all_there_is_room_for) {
  RateLimiter limiter(per_second(1), 1, 1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(limiter.take(std::to_string(i), start).is_admitted);
    EXPECT_EQ(limiter.key_count(), 1);
  }
  EXPECT_FALSE(limiter.take("99", start).is_admitted);
}

// A short history of random questions, compared with the same in the simplest words.
TEST(RateLimiter, evicts_as_a_plain_list_would) {
  RateLimiter limiter(per_second(1), 1, 50);
  std::vector<int> list;  // the most recently used last
  std::uint32_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 1664525 + 1013904223;
    const int key = static_cast<int>((random >> 16) % 80);
    const bool known = std::erase(list, key) > 0;
    const bool was_full = list.size() == 50;
    list.push_back(key);
    if (was_full && !known) list.erase(list.begin());
    const auto verdict = limiter.take(std::to_string(key), start);
    ASSERT_EQ(verdict.is_admitted, !known) << i;
    ASSERT_EQ(verdict.has_evicted, was_full && !known) << i;
  }
}

std::size_t heap_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

constexpr bool heap_is_measured =
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    false;
#else
    true;
#endif
#else
    true;
#endif

TEST(RateLimiter, a_million_addresses_stay_within_its_memory) {
  constexpr std::uint32_t max_keys = 100'000;
  const std::size_t before = heap_bytes();
  RateLimiter limiter(per_second(1), 1, max_keys);
  std::uint64_t evicted = 0;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const std::array<char, 4> address{static_cast<char>(i >> 24), static_cast<char>(i >> 16),
                                      static_cast<char>(i >> 8), static_cast<char>(i)};
    const auto verdict = limiter.take({address.data(), address.size()}, start);
    ASSERT_TRUE(verdict.is_admitted);
    evicted += verdict.has_evicted ? 1 : 0;
  }
  const std::size_t used = heap_bytes() - before;
  EXPECT_LE(limiter.key_count(), max_keys);
  EXPECT_EQ(limiter.key_count() + evicted, 1'000'000);
  EXPECT_LE(limiter.memory_bytes(), std::size_t{64} * max_keys);
  if (heap_is_measured) {
    EXPECT_LE(used, limiter.memory_bytes() + 64 * 1024) << "besides what it says that it takes";
    RecordProperty("bytes", static_cast<int>(used));
  }
}

// Each thread's clock stands still in one step and jumps to the next, as workers' clocks do.
TEST(RateLimiter, threads_together_get_the_burst_and_the_rate_and_not_one_more) {
  constexpr std::uint32_t burst = 50;
  constexpr int steps = 100;
  constexpr int threads = 4;
  RateLimiter limiter(per_second(1000), burst, 10'000);
  std::atomic<int> admitted{0};
  std::atomic<int> others{0};
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int step = 0; step <= steps; ++step) {
        const base::SteadyTime now = start + milliseconds(10) * step;
        admitted += drain(limiter, "all", now);
        others += limiter.take(std::to_string(t) + "-" + std::to_string(step), now).is_admitted;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  // The last question of all was refused at the last step: nothing was lost, and nothing made up.
  EXPECT_EQ(admitted, static_cast<int>(burst) + 10 * steps);
  EXPECT_EQ(others, threads * (steps + 1));
}

}  // namespace
}  // namespace sluice::route
