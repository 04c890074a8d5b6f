#include "control/discovery/ec2/error_codes.h"

#include <algorithm>
#include <array>

namespace sluice::control::discovery::ec2 {
namespace {

struct Row {
  std::string_view code;
  Fault fault;
};

constexpr std::array rows{
    Row{"RequestLimitExceeded", Fault::throttled},
    Row{"Throttling", Fault::throttled},
    Row{"ThrottlingException", Fault::throttled},
    Row{"ThrottledException", Fault::throttled},
    Row{"RequestThrottled", Fault::throttled},
    Row{"RequestThrottledException", Fault::throttled},
    Row{"TooManyRequestsException", Fault::throttled},
    Row{"SlowDown", Fault::throttled},
    Row{"EC2ThrottledException", Fault::throttled},
    Row{"LimitExceededException", Fault::throttled},
    Row{"BandwidthLimitExceeded", Fault::throttled},
    Row{"PriorRequestNotComplete", Fault::throttled},
    // Of EC2 both for a signature and for a session token that is too old.
    Row{"RequestExpired", Fault::clock},
    Row{"RequestTimeTooSkewed", Fault::clock},
    Row{"RequestInTheFuture", Fault::clock},
    Row{"SignatureDoesNotMatch", Fault::clock},
    Row{"InvalidSignatureException", Fault::clock},
    Row{"AuthFailure", Fault::clock},
    Row{"ExpiredToken", Fault::credentials},
    Row{"ExpiredTokenException", Fault::credentials},
    Row{"InvalidClientTokenId", Fault::credentials},
    Row{"UnrecognizedClientException", Fault::credentials},
    Row{"UnauthorizedOperation", Fault::not_allowed},
    Row{"AccessDenied", Fault::not_allowed},
    Row{"AccessDeniedException", Fault::not_allowed},
};

}  // namespace

Fault fault_of(std::string_view code) {
  const auto* found = std::ranges::find(rows, code, &Row::code);
  return found == rows.end() ? Fault::other : found->fault;
}

std::string_view advice_of(Fault fault) {
  switch (fault) {
    case Fault::throttled: return "asked too often by all that share the account";
    case Fault::clock:
    case Fault::credentials: return "the credentials are not taken";
    case Fault::not_allowed: return "the policy of the role must allow ec2:DescribeInstances";
    case Fault::none:
    case Fault::other: break;
  }
  return {};
}

}  // namespace sluice::control::discovery::ec2
