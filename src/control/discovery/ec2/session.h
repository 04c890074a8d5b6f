// What the process has towards AWS, whatever it asks: credentials, metadata service, clock.
#pragma once

#include <string>

#include "control/discovery/ec2/credential_chain.h"
#include "control/discovery/ec2/credential_store.h"
#include "control/discovery/ec2/environment.h"
#include "control/discovery/ec2/instance_metadata.h"
#include "sluice/net/loop.h"

namespace sluice::control::discovery::ec2 {

// Control thread.
class Session {
 public:
  Session(net::Loop& loop, Environment environment);
  [[nodiscard]] CredentialStore& credentials() { return credentials_; }
  [[nodiscard]] InstanceMetadata& metadata() { return metadata_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }
  // By the clock of AWS, as far as it is known.
  [[nodiscard]] base::WallTime now() const { return loop_.clock.wall() + ahead_; }
  // From the field Date of an answer. True when our clock was wrong by more than AWS bears.
  bool set_clock(const std::string& date);

 private:
  net::Loop& loop_;
  Environment environment_;
  InstanceMetadata metadata_;
  ChainParts chain_;
  base::Wall::duration ahead_{};  // AWS of us
  CredentialStore credentials_;
};

}  // namespace sluice::control::discovery::ec2
