// The credentials in use: kept until shortly before their end, renewed in good time, and kept on
// when they cannot be renewed.
//
//   15 minutes before their end (and up to a minute earlier, so that many do not ask at once)
//   somebody renews them while they stay in use; from 10 minutes before it everybody waits for the
//   new ones; a failure is borne as long as the old ones are good. Those of an instance or a
//   container are used beyond their end while no others come.
//
// A failed attempt is not repeated for a minute or a little more. Control thread.
#pragma once

#include <functional>
#include <string>

#include "control/discovery/ec2/credentials.h"
#include "control/discovery/ec2/errand.h"

namespace sluice::control::discovery::ec2 {

class CredentialStore {
 public:
  using Fetch = std::function<net::Task<Fetched>(std::string region)>;
  using Now = std::function<base::WallTime()>;  // by the clock of AWS, as far as it is known

  static constexpr std::chrono::minutes advisory{15};
  static constexpr std::chrono::minutes mandatory{10};
  static constexpr std::chrono::seconds retry{60};

  CredentialStore(net::Loop& loop, Fetch fetch, Now now);

  // Good ones, or an error. The store must live until it ends.
  [[nodiscard]] net::Task<Fetched> get(std::string region);
  // AWS does not take these: the next `get` asks for others.
  void refuse(const SharedCredentials& credentials);

 private:
  [[nodiscard]] net::Task<Fetched> renew(std::string region);
  void install(Fetched fetched);
  [[nodiscard]] Fetched bear(const Fetched& failure);
  [[nodiscard]] bool is_due() const;     // by the advisory window
  [[nodiscard]] bool is_needed() const;  // by the mandatory window, or there are none
  [[nodiscard]] bool may_try() const;

  net::Loop& loop_;
  Fetch fetch_;
  Now now_;
  Fetched held_;
  bool is_refused_ = false;
  std::optional<base::WallTime> end_;  // as it is believed here; may be later than theirs
  base::WallTime advisory_at_;
  base::SteadyTime next_try_{};
  Errand<Fetched> renewal_;
};

}  // namespace sluice::control::discovery::ec2
