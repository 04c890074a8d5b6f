#include "sluice/route/filters/jwt_keys.h"

#include <utility>

namespace sluice::route {
namespace {

std::int64_t nanoseconds(base::SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::uint64_t next_generation() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

std::string KeySettings::fingerprint() const {
  std::string all = file + '\n' + url;
  for (const config::Milliseconds time : {refresh, timeout, keep, refetch}) {
    all += '\n' + std::to_string(time.count());
  }
  if (tls != nullptr) all += '\n' + tls->fingerprint();
  return all;
}

KeySource::SharedKeys KeySource::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

bool KeySource::is_outdated(base::SteadyTime now) const {
  if (!settings_.is_fetched()) return false;
  const std::chrono::nanoseconds keep = settings_.keep;
  return nanoseconds(now) - fetched_at_.load(std::memory_order_acquire) > keep.count();
}

bool KeySource::ask_for_fetch(base::SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (is_fetching_ || is_asked_) return true;
  if (!on_ask_ || now < next_early_) return false;
  is_asked_ = true;
  on_ask_();
  return true;
}

KeySource::SharedKeys KeySource::make_keys(net::JsonWebKeySet set, std::string text,
                                           const SharedKeys& former) {
  if (former != nullptr && former->text == text) return former;
  return std::make_shared<const Keys>(
      Keys{.set = std::move(set), .text = std::move(text), .generation = next_generation()});
}

void KeySource::publish(SharedKeys keys, base::SteadyTime fetched_at) {
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  fetched_at_.store(nanoseconds(fetched_at), std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
}

void KeySource::fetch_began(base::SteadyTime now) {
  const std::lock_guard lock(mutex_);
  is_fetching_ = true;
  is_asked_ = false;
  next_early_ = now + settings_.refetch;
}

void KeySource::fetch_ended() {
  const std::lock_guard lock(mutex_);
  is_fetching_ = false;
  fetches_.fetch_add(1, std::memory_order_release);
}

void KeySource::fetch_by(std::function<void()> on_ask) {
  const std::lock_guard lock(mutex_);
  on_ask_ = std::move(on_ask);
  if (on_ask_) return;
  is_asked_ = is_fetching_ = false;
  fetches_.fetch_add(1, std::memory_order_release);  // nobody need wait any longer
}

}  // namespace sluice::route
