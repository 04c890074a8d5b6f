// Token buckets by key, in bounded memory, for any number of threads.
//
// Each key has a bucket of `burst` requests that fills at `rate`. Within any span of time a key is
// admitted at most `burst` + rate * span requests, to the request: buckets count in whole parts of
// a request (of a rate of N per window, 1/window_ns), so nothing is rounded and nothing drifts.
//
// A key is known by its keyed hash of 128 bits alone: its text, however long, is never stored, and
// nobody can choose keys that collide (T19). All memory is taken when the limiter is made; nothing
// is allocated afterwards. Keys are spread over parts with a lock each, held for one look-up. A key
// that has not been seen gets a full bucket; when its part is full, the bucket that was not used
// for longest goes.
//
// Times come from the caller; one that lies before the last of its bucket (another thread's clock
// is a little behind) fills nothing and takes nothing back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/base/sip_hash.h"

namespace sluice::route {

struct Rate {
  static constexpr std::uint32_t requests_most = 1'000'000;

  std::uint32_t requests = 1;      // 1..requests_most
  std::chrono::seconds window{1};  // 1 s, 1 min or 1 h

  // `100/s`, `6000/m`, `10/h`; nothing for any other text.
  [[nodiscard]] static std::optional<Rate> parse(std::string_view text);

  bool operator==(const Rate&) const = default;
};

class RateLimiter {
 public:
  static constexpr std::uint32_t burst_most = 1'000'000;
  static constexpr std::uint32_t keys_most = 10'000'000;

  // `burst` in 1..burst_most, `max_keys` in 1..keys_most.
  RateLimiter(const Rate& rate, std::uint32_t burst, std::uint32_t max_keys);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  struct Verdict {
    bool is_admitted = false;
    bool has_evicted = false;                // another key's bucket, to make room
    std::uint32_t remaining = 0;             // requests that would be admitted now
    std::chrono::nanoseconds until_next{0};  // unless admitted: until one would be
    std::chrono::nanoseconds until_full{0};
  };

  // Asks for one request of this key. What is refused costs nothing.
  [[nodiscard]] Verdict take(std::string_view key, base::SteadyTime now);
  // The request that `take` admitted did not take place.
  void give_back(std::string_view key);

  [[nodiscard]] std::size_t key_count() const;  // that have a bucket
  // All that this object has taken; constant.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Bucket;
  struct Part;

  [[nodiscard]] Part& part_of(const base::Hash128& key) const;
  void fill(Bucket& bucket, std::int64_t now) const;

  const std::uint64_t gain_;      // parts of a request per nanosecond
  const std::uint64_t cost_;      // parts of one request
  const std::uint64_t capacity_;  // of a bucket, in parts
  const base::SipKey sip_key_;
  std::size_t part_count_;  // a power of two
  std::unique_ptr<Part[]> parts_;
};

}  // namespace sluice::route
