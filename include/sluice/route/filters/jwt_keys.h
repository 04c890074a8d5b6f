// The keys that a `jwt` filter verifies tokens with: live state, shared by the control plane, which
// puts sets in, and the workers, which take them out.
//
// One object as long as its settings are equal, over reloads too (FilterContext::former), so that
// keys once fetched stay. Of a file they are there from the start and never change; those of a URL
// come by control/key_fetcher, and there are none until the first good answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/net/json_web_key.h"
#include "sluice/net/tls_context.h"

namespace sluice::route {

struct KeySettings {
  std::string file;  // or:
  std::string url;   // as configured; empty: `file`
  std::string host;  // of the URL; IPv6 without brackets
  std::uint16_t port = 443;
  std::string authority;                             // for the field Host
  std::string path = "/";                            // and query
  config::Milliseconds refresh{600'000};             // between fetches that went well
  config::Milliseconds timeout{5'000};               // of one fetch, whole
  config::Milliseconds keep{86'400'000};             // how old a set may become
  config::Milliseconds refetch{10'000};              // least time to a fetch for an unknown key
  std::shared_ptr<const net::ClientTlsContext> tls;  // null: `file`

  [[nodiscard]] bool is_fetched() const { return !url.empty(); }
  // Equal for settings by which the same set is fetched in the same way.
  [[nodiscard]] std::string fingerprint() const;
};

class KeySource {
 public:
  struct Keys {
    net::JsonWebKeySet set;
    std::string text;              // it was read from
    std::uint64_t generation = 0;  // of no other set of this process
  };
  using SharedKeys = std::shared_ptr<const Keys>;

  explicit KeySource(KeySettings settings) : settings_(std::move(settings)) {}
  KeySource(const KeySource&) = delete;
  KeySource& operator=(const KeySource&) = delete;

  [[nodiscard]] const KeySettings& settings() const { return settings_; }

  // --- any thread
  // Changes with each set that is published: who has kept what `keys` returned asks again then.
  // One load, no lock.
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  [[nodiscard]] SharedKeys keys() const;  // null: none yet. Takes a lock
  // The set is older than `keep`: whoever withdrew a key would not be heard. Never of a file.
  [[nodiscard]] bool is_outdated(base::SteadyTime now) const;
  // A token names a key that is not in the set, or there is no set. True: a fetch is under way,
  // perhaps because of this, and `fetches` will grow; false: it is too early for another one.
  [[nodiscard]] bool ask_for_fetch(base::SteadyTime now);
  [[nodiscard]] std::uint64_t fetches() const { return fetches_.load(std::memory_order_acquire); }

  // --- control thread
  // With another generation unless the text is the former one's.
  [[nodiscard]] static SharedKeys make_keys(net::JsonWebKeySet set, std::string text,
                                            const SharedKeys& former);
  void publish(SharedKeys keys, base::SteadyTime fetched_at);
  void fetch_began(base::SteadyTime now);
  void fetch_ended();
  // `on_ask` is called on a worker's thread, under a lock: it may only pass the word on. Empty:
  // nobody fetches any more.
  void fetch_by(std::function<void()> on_ask);

 private:
  const KeySettings settings_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> fetches_{0};    // that have ended
  std::atomic<std::int64_t> fetched_at_{0};  // steady, nanoseconds
  mutable std::mutex mutex_;                 // what follows
  SharedKeys keys_;
  std::function<void()> on_ask_;
  bool is_asked_ = false;  // `on_ask_` was called, and no fetch has begun since
  bool is_fetching_ = false;
  base::SteadyTime next_early_{};
};

}  // namespace sluice::route
