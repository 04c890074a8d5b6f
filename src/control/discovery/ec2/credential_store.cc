#include "control/discovery/ec2/credential_store.h"

#include <chrono>
#include <utility>

#include "control/discovery/ec2/patience.h"
#include "control/health/schedule.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;
using config::Milliseconds;

Milliseconds up_to(Milliseconds most) { return health::any_part(most, random_bits()); }

}  // namespace

CredentialStore::CredentialStore(net::Loop& loop, Fetch fetch, Now now)
    : loop_(loop), fetch_(std::move(fetch)), now_(std::move(now)), renewal_(loop) {}

bool CredentialStore::is_due() const { return end_ && now_() >= advisory_at_; }

bool CredentialStore::is_needed() const {
  return held_.credentials == nullptr || is_refused_ || (end_ && now_() >= *end_ - mandatory);
}

bool CredentialStore::may_try() const { return loop_.clock.now() >= next_try_; }

void CredentialStore::refuse(const SharedCredentials& credentials) {
  if (credentials != held_.credentials) return;
  is_refused_ = true;
  next_try_ = {};
}

net::Task<Fetched> CredentialStore::get(std::string region) {
  const bool is_needed_now = is_needed();
  const bool holds_good =
      held_.credentials != nullptr && !is_refused_ && !(end_ && now_() >= *end_);
  if (!renewal_.is_running() && (is_needed_now || is_due()) && (may_try() || !holds_good)) {
    net::Task<Fetched> renewing = renew(std::move(region));
    renewal_.begin(std::move(renewing));
  }
  // Within the advisory window, and between two attempts, the old ones will do.
  if (!is_needed_now || !renewal_.is_running()) co_return held_;
  net::Task<Errand<Fetched>::Shared> waiting = renewal_.result();
  const Errand<Fetched>::Shared result = co_await std::move(waiting);
  if (result == nullptr) co_return Fetched{.credentials = nullptr, .error = "memory is short"};
  co_return *result;
}

net::Task<Fetched> CredentialStore::renew(std::string region) {
  next_try_ = loop_.clock.now() + retry + up_to(retry / 2);
  net::Task<Fetched> fetching = fetch_(std::move(region));
  Fetched fetched = co_await std::move(fetching);
  if (fetched.credentials == nullptr) co_return bear(fetched);
  install(fetched);
  co_return fetched;
}

void CredentialStore::install(Fetched fetched) {
  const bool is_first = held_.credentials == nullptr;
  held_ = std::move(fetched);
  is_refused_ = false;
  end_ = held_.credentials->expires;
  if (is_first) {
    observe::log(observe::Level::info, "ec2: has credentials of the " + std::string(held_.source));
  }
  if (!end_) return;
  // The service that hands them out is ill and repeats old ones: they are good for long enough not
  // to ask it at every turn.
  if (held_.may_outlive_their_end && *end_ - now_() < advisory) {
    end_ = now_() + advisory + 2min + up_to(8min);
    observe::log(observe::Level::warning,
                 "ec2: the credentials of the " + std::string(held_.source) +
                     " have ended or are about to; they stay in use until there are others");
  }
  advisory_at_ = *end_ - advisory - up_to(1min);
}

Fetched CredentialStore::bear(const Fetched& failure) {
  const bool has_ended = end_ && now_() >= *end_;
  const bool can_stay =
      held_.credentials != nullptr && !is_refused_ && (!has_ended || held_.may_outlive_their_end);
  if (!can_stay) return failure;
  observe::log(observe::Level::warning,
               "ec2: " + failure.error + "; the former credentials stay in use");
  if (has_ended) {
    end_ = now_() + mandatory + 5min + up_to(5min);
    advisory_at_ = *end_ - advisory;
  }
  return held_;
}

}  // namespace sluice::control::discovery::ec2
