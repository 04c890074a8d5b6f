// Tokens that were verified on this worker: a signature costs 30 to 200 microseconds, finding one
// of these less than one.
//
// Of each set of keys its own: what one set has verified says nothing about another, and a new
// generation of a set begins with nothing. Only what depends on neither time nor filter is kept;
// both are asked for each request. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "sluice/net/digest.h"
#include "sluice/observe/metrics.h"
#include "sluice/route/filters/jwt_token.h"

namespace sluice::proxy {

class TokenCache {
 public:
  using SharedToken = std::shared_ptr<const route::VerifiedToken>;

  // The newest set of `source`; empties the cache when it is another one than before. Null: none
  // yet. Valid until the next call.
  [[nodiscard]] const route::KeySource::Keys* keys_of(const route::KeySource& source);

  [[nodiscard]] SharedToken find(const net::Sha256& digest);  // null: not here
  // The least recently used one goes when there are `limit` already. 0: nothing is kept.
  void add(const net::Sha256& digest, SharedToken token, std::size_t limit);
  void remove(const net::Sha256& digest);
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  // Whoever can choose the start of a digest has a token that was verified: it is spread enough.
  struct Hash {
    std::size_t operator()(const net::Sha256& digest) const {
      std::size_t value = 0;
      std::memcpy(&value, digest.data(), sizeof value);
      return value;
    }
  };
  using Tokens = std::list<std::pair<net::Sha256, SharedToken>>;

  route::KeySource::SharedKeys keys_;
  std::uint64_t version_ = 0;
  bool has_asked_ = false;
  Tokens tokens_;  // most recently used first
  std::unordered_map<net::Sha256, Tokens::iterator, Hash> places_;
};

// Those of one worker.
class TokenCaches {
 public:
  explicit TokenCaches(observe::Cells& cells);

  // Lives as long as the source does, and until `keep_only` is called without it.
  [[nodiscard]] TokenCache& of(const std::shared_ptr<route::KeySource>& source);

  // What other sources have verified goes: no rule of the configuration asks them. One that an
  // exchange of the former configuration still has begins again with nothing.
  void keep_only(const std::set<const route::KeySource*>& sources);
  [[nodiscard]] std::size_t size() const { return places_.size(); }

  observe::Counter& hits;
  observe::Counter& misses;
  std::size_t waiting = 0;  // requests that wait for keys

 private:
  struct Place {
    std::weak_ptr<route::KeySource> source;
    TokenCache cache;
  };
  std::map<const route::KeySource*, Place> places_;
};

}  // namespace sluice::proxy
