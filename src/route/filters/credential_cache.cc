#include "sluice/route/filters/credential_cache.h"

#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace sluice::route {
namespace {

constexpr std::size_t parts_most = 16;
constexpr std::size_t entries_worth_a_part = 64;

// Nobody who does not know the key can choose the start of a digest: it is spread enough.
std::size_t start_of(const net::Sha256& key) {
  std::size_t value = 0;
  std::memcpy(&value, key.data(), sizeof value);
  return value;
}

struct Hash {
  std::size_t operator()(const net::Sha256& key) const { return start_of(key); }
};

// Of one outcome. Not for several threads at once.
class Outcomes {
 public:
  [[nodiscard]] bool has(const net::Sha256& key, base::SteadyTime now) {
    const auto place = places_.find(key);
    if (place == places_.end()) return false;
    if (place->second->second <= now) {
      entries_.erase(place->second);
      places_.erase(place);
      return false;
    }
    entries_.splice(entries_.begin(), entries_, place->second);
    return true;
  }

  void add(const net::Sha256& key, base::SteadyTime until, std::size_t limit) {
    const auto place = places_.find(key);
    if (place != places_.end()) {
      place->second->second = until;
      entries_.splice(entries_.begin(), entries_, place->second);
      return;
    }
    while (entries_.size() >= limit) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, until);
    places_.emplace(key, entries_.begin());
  }

  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  using Entries = std::list<std::pair<net::Sha256, base::SteadyTime>>;

  Entries entries_;  // most recently used first
  std::unordered_map<net::Sha256, Entries::iterator, Hash> places_;
};

}  // namespace

class CredentialCache::Part {
 public:
  explicit Part(std::size_t limit) : limit_(limit) {}

  std::optional<bool> find(const net::Sha256& key, base::SteadyTime now) {
    const std::scoped_lock lock(mutex_);
    if (matched_.has(key, now)) return true;
    if (failed_.has(key, now)) return false;
    return std::nullopt;
  }

  void add(const net::Sha256& key, bool matches, base::SteadyTime until) {
    const std::scoped_lock lock(mutex_);
    (matches ? matched_ : failed_).add(key, until, limit_);
  }

  std::size_t size() {
    const std::scoped_lock lock(mutex_);
    return matched_.size() + failed_.size();
  }

 private:
  const std::size_t limit_;
  std::mutex mutex_;  // what follows
  Outcomes matched_;
  Outcomes failed_;
};

CredentialCache::CredentialCache(const Settings& settings) : settings_(settings) {
  if (settings.entries == 0) return;
  // Small ones have one part, so that as many fit as there may be.
  const bool is_small = settings.entries < parts_most * entries_worth_a_part;
  const std::size_t parts = is_small ? 1 : parts_most;
  for (std::size_t i = 0; i < parts; ++i) {
    parts_.push_back(std::make_unique<Part>(settings.entries / parts));
  }
}

CredentialCache::~CredentialCache() = default;

bool CredentialCache::key(std::string_view user, std::string_view password,
                          std::string_view stored_hash, bool is_known, net::Sha256& key) const {
  return keyed_.digest({user, password, stored_hash, is_known ? "known" : "unknown"}, key);
}

std::uint64_t CredentialCache::number_of(std::string_view user) const {
  net::Sha256 digest{};
  return keyed_.digest({user}, digest) ? start_of(digest) : 0;
}

// By other bytes than those by which a part spreads them.
CredentialCache::Part& CredentialCache::part_of(const net::Sha256& key) const {
  return *parts_[key.back() % parts_.size()];
}

std::optional<bool> CredentialCache::find(const net::Sha256& key, base::SteadyTime now) {
  if (parts_.empty()) return std::nullopt;
  return part_of(key).find(key, now);
}

void CredentialCache::add(const net::Sha256& key, bool matches, base::SteadyTime now) {
  if (parts_.empty()) return;
  part_of(key).add(key, matches, now + (matches ? settings_.ttl : settings_.failure_ttl));
}

std::size_t CredentialCache::size() const {
  std::size_t size = 0;
  for (const auto& part : parts_) size += part->size();
  return size;
}

}  // namespace sluice::route
