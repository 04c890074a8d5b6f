// What calls of AWS are signed with. Immutable and shared while in use; wiped with its last holder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/clock.h"
#include "sluice/net/secret.h"

namespace sluice::control::discovery::ec2 {

struct Credentials {
  net::Secret access_key_id;
  net::Secret secret_access_key;
  net::Secret session_token;              // empty: they are not temporary
  std::optional<base::WallTime> expires;  // nothing: they do not
};

using SharedCredentials = std::shared_ptr<const Credentials>;

// Of one attempt to get some.
struct Fetched {
  SharedCredentials credentials;  // null: `error` says why
  std::string error;              // printable, no secrets
  std::string_view source;        // "environment", "web identity", "container", "instance"
  // The platform hands them out and AWS goes on taking them while that is ill: they are used beyond
  // their end until new ones come (static stability).
  bool may_outlive_their_end = false;
};

}  // namespace sluice::control::discovery::ec2
