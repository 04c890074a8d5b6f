// What the codes of AWS's errors mean to us.
#pragma once

#include <string>
#include <string_view>

namespace sluice::control::discovery::ec2 {

enum class Fault : unsigned char {
  none,
  throttled,    // leave it alone for a while
  clock,        // of us and AWS, or it may be
  credentials,  // others may do
  not_allowed,  // of the policy
  other
};

[[nodiscard]] Fault fault_of(std::string_view code);

// `the role may not call ec2:DescribeInstances ...`; empty: the code says it all.
[[nodiscard]] std::string_view advice_of(Fault fault);

}  // namespace sluice::control::discovery::ec2
