// Variables of the environment, as AWS's own tools name them; a function, so that tests have
// another one.
#pragma once

#include <functional>
#include <string>

namespace sluice::control::discovery::ec2 {

// The value; empty when it is not set, which AWS's tools take for the same.
using Environment = std::function<std::string(const char* name)>;

[[nodiscard]] Environment process_environment();

}  // namespace sluice::control::discovery::ec2
