#include "proxy/filters/token_cache.h"

namespace sluice::proxy {

const route::KeySource::Keys* TokenCache::keys_of(const route::KeySource& source) {
  const std::uint64_t version = source.version();
  if (has_asked_ && version == version_) return keys_.get();
  route::KeySource::SharedKeys newest = source.keys();
  const bool is_same =
      newest != nullptr && keys_ != nullptr && newest->generation == keys_->generation;
  if (!is_same) {
    places_.clear();
    tokens_.clear();
  }
  keys_ = std::move(newest);
  version_ = version;  // read before the set: at worst the same one is asked for again
  has_asked_ = true;
  return keys_.get();
}

TokenCache::SharedToken TokenCache::find(const net::Sha256& digest) {
  const auto place = places_.find(digest);
  if (place == places_.end()) return nullptr;
  tokens_.splice(tokens_.begin(), tokens_, place->second);
  return place->second->second;
}

void TokenCache::add(const net::Sha256& digest, SharedToken token, std::size_t limit) {
  if (limit == 0 || places_.contains(digest)) return;
  while (tokens_.size() >= limit) {
    places_.erase(tokens_.back().first);
    tokens_.pop_back();
  }
  tokens_.emplace_front(digest, std::move(token));
  places_.emplace(digest, tokens_.begin());
}

void TokenCache::remove(const net::Sha256& digest) {
  const auto place = places_.find(digest);
  if (place == places_.end()) return;
  tokens_.erase(place->second);
  places_.erase(place);
}

TokenCaches::TokenCaches(observe::Cells& cells)
    : hits(cells.counter(observe::Metric::jwt_cache_total, {"hit"})),
      misses(cells.counter(observe::Metric::jwt_cache_total, {"miss"})) {}

TokenCache& TokenCaches::of(const std::shared_ptr<route::KeySource>& source) {
  const auto place = places_.find(source.get());
  if (place != places_.end() && !place->second.source.expired()) return place->second.cache;
  // A new source: those that a reload took away go, perhaps one that had the same address.
  std::erase_if(places_, [](const auto& one) { return one.second.source.expired(); });
  return places_.try_emplace(source.get(), Place{source, {}}).first->second.cache;
}

void TokenCaches::keep_only(const std::set<const route::KeySource*>& sources) {
  std::erase_if(places_, [&](const auto& one) {
    return one.second.source.expired() || !sources.contains(one.first);
  });
}

}  // namespace sluice::proxy
