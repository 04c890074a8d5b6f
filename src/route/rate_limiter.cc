#include "sluice/route/rate_limiter.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "sluice/base/text.h"

namespace sluice::route {

namespace {

constexpr std::uint32_t none = 0xffffffffU;
// Small tables are one part, whose eviction is exact; large ones are spread.
constexpr std::size_t parts_most = 64;
constexpr std::size_t keys_per_part = 1024;

std::int64_t nanoseconds(base::SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

struct RateLimiter::Bucket {
  base::Hash128 key;
  std::uint64_t level;   // parts of a request, at most capacity_
  std::int64_t updated;  // nanoseconds of the steady clock
  std::uint32_t chain;   // the next with the same slot
  std::uint32_t older;   // by use
  std::uint32_t newer;
};

// A hash table with chains through its buckets, and a list of them by use. One lock.
struct alignas(64) RateLimiter::Part {
  std::mutex lock;
  std::uint32_t capacity = 0;
  std::uint32_t size = 0;
  std::uint32_t oldest = none;
  std::uint32_t newest = none;
  std::uint32_t slot_count = 0;            // a power of two
  std::unique_ptr<std::uint32_t[]> slots;  // the first bucket of each chain
  std::unique_ptr<Bucket[]> buckets;       // [0, size) are in use; the rest is untouched memory

  void make(std::uint32_t keys) {
    capacity = keys;
    slot_count = std::bit_ceil(keys);
    slots = std::make_unique_for_overwrite<std::uint32_t[]>(slot_count);
    std::fill_n(slots.get(), slot_count, none);
    buckets = std::make_unique_for_overwrite<Bucket[]>(keys);
  }

  [[nodiscard]] std::uint32_t& slot_of(const base::Hash128& key) const {
    return slots[key.high & (slot_count - 1)];
  }

  [[nodiscard]] std::uint32_t find(const base::Hash128& key) const {
    std::uint32_t index = slot_of(key);
    while (index != none && buckets[index].key != key) index = buckets[index].chain;
    return index;
  }

  void unlink_use(std::uint32_t index) {
    const Bucket& bucket = buckets[index];
    (bucket.older == none ? oldest : buckets[bucket.older].newer) = bucket.newer;
    (bucket.newer == none ? newest : buckets[bucket.newer].older) = bucket.older;
  }

  void link_newest(std::uint32_t index) {
    buckets[index].older = newest;
    buckets[index].newer = none;
    (newest == none ? oldest : buckets[newest].newer) = index;
    newest = index;
  }

  void touch(std::uint32_t index) {
    if (index == newest) return;
    unlink_use(index);
    link_newest(index);
  }

  // The oldest, out of all lists.
  [[nodiscard]] std::uint32_t evict() {
    const std::uint32_t index = oldest;
    unlink_use(index);
    std::uint32_t* link = &slot_of(buckets[index].key);
    while (*link != index) link = &buckets[*link].chain;
    *link = buckets[index].chain;
    return index;
  }

  [[nodiscard]] std::uint32_t add(const base::Hash128& key) {
    const std::uint32_t index = size < capacity ? size++ : evict();
    std::uint32_t& slot = slot_of(key);
    buckets[index].key = key;
    buckets[index].chain = slot;
    slot = index;
    link_newest(index);
    return index;
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    return slot_count * sizeof(std::uint32_t) + capacity * sizeof(Bucket);
  }
};

std::optional<Rate> Rate::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> requests = base::parse_decimal(text.substr(0, slash));
  if (!requests || *requests == 0 || *requests > requests_most) return std::nullopt;
  const std::string_view unit = text.substr(slash + 1);
  const auto of = [&](std::chrono::seconds window) {
    return Rate{static_cast<std::uint32_t>(*requests), window};
  };
  if (unit == "s") return of(std::chrono::seconds(1));
  if (unit == "m") return of(std::chrono::minutes(1));
  if (unit == "h") return of(std::chrono::hours(1));
  return std::nullopt;
}

// The largest product, burst_most of one hour each, is 3.6e18 and fits.
RateLimiter::RateLimiter(const Rate& rate, std::uint32_t burst, std::uint32_t max_keys)
    : gain_(rate.requests),
      cost_(static_cast<std::uint64_t>(std::chrono::nanoseconds(rate.window).count())),
      capacity_(burst * cost_),
      sip_key_(base::SipKey::random()),
      part_count_(std::clamp<std::size_t>(std::bit_floor(max_keys / keys_per_part), 1, parts_most)),
      parts_(std::make_unique<Part[]>(part_count_)) {
  assert(burst >= 1 && burst <= burst_most && max_keys >= 1 && max_keys <= keys_most);
  for (std::size_t i = 0; i < part_count_; ++i) {
    parts_[i].make(static_cast<std::uint32_t>(max_keys / part_count_));
  }
}

RateLimiter::~RateLimiter() = default;

// By other bits than a part's slots.
RateLimiter::Part& RateLimiter::part_of(const base::Hash128& key) const {
  return parts_[key.low & (part_count_ - 1)];
}

void RateLimiter::fill(Bucket& bucket, std::int64_t now) const {
  if (now <= bucket.updated) return;
  const auto elapsed = static_cast<std::uint64_t>(now - bucket.updated);
  bucket.updated = now;
  const std::uint64_t missing = capacity_ - bucket.level;
  // Compared by division: the product of a long time may not fit.
  bucket.level = elapsed > missing / gain_ ? capacity_ : bucket.level + elapsed * gain_;
}

RateLimiter::Verdict RateLimiter::take(std::string_view text, base::SteadyTime time) {
  const base::Hash128 key = base::sip_hash(sip_key_, text);
  const std::int64_t now = nanoseconds(time);
  Part& part = part_of(key);
  Verdict verdict;
  std::uint64_t level = 0;
  {
    const std::lock_guard<std::mutex> guard(part.lock);
    std::uint32_t index = part.find(key);
    if (index == none) {
      verdict.has_evicted = part.size == part.capacity;
      index = part.add(key);
      part.buckets[index].level = capacity_;
      part.buckets[index].updated = now;
    } else {
      part.touch(index);
      fill(part.buckets[index], now);
    }
    Bucket& bucket = part.buckets[index];
    verdict.is_admitted = bucket.level >= cost_;
    if (verdict.is_admitted) bucket.level -= cost_;
    level = bucket.level;
  }
  const auto time_for = [this](std::uint64_t parts) {
    return std::chrono::nanoseconds((parts + gain_ - 1) / gain_);
  };
  verdict.remaining = static_cast<std::uint32_t>(level / cost_);
  if (!verdict.is_admitted) verdict.until_next = time_for(cost_ - level);
  verdict.until_full = time_for(capacity_ - level);
  return verdict;
}

void RateLimiter::give_back(std::string_view text) {
  const base::Hash128 key = base::sip_hash(sip_key_, text);
  Part& part = part_of(key);
  const std::lock_guard<std::mutex> guard(part.lock);
  const std::uint32_t index = part.find(key);
  if (index == none) return;  // evicted: its next bucket is full
  Bucket& bucket = part.buckets[index];
  bucket.level = capacity_ - bucket.level < cost_ ? capacity_ : bucket.level + cost_;
}

std::size_t RateLimiter::key_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < part_count_; ++i) {
    const std::lock_guard<std::mutex> guard(parts_[i].lock);
    count += parts_[i].size;
  }
  return count;
}

std::size_t RateLimiter::memory_bytes() const {
  std::size_t bytes = sizeof *this + part_count_ * sizeof(Part);
  for (std::size_t i = 0; i < part_count_; ++i) bytes += parts_[i].memory_bytes();
  return bytes;
}

}  // namespace sluice::route
