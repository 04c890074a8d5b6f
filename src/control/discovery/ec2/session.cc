#include "control/discovery/ec2/session.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "control/discovery/ec2/times.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery::ec2 {
namespace {

constexpr std::chrono::minutes clock_tolerance{4};  // AWS bears five

}  // namespace

Session::Session(net::Loop& loop, Environment environment)
    : loop_(loop),
      environment_(std::move(environment)),
      metadata_(loop, environment_),
      chain_{.loop = loop_, .environment = environment_, .metadata = metadata_},
      credentials_(
          loop, [this](std::string region) { return fetch_credentials(chain_, std::move(region)); },
          [this] { return now(); }) {}

bool Session::set_clock(const std::string& date) {
  const auto theirs = parse_http_date(date);
  if (!theirs) return false;
  const auto off = *theirs - now();
  if (off < clock_tolerance && off > -clock_tolerance) return false;
  ahead_ = *theirs - loop_.clock.wall();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(ahead_).count();
  observe::log(observe::Level::warning,
               "ec2: the clock of this machine is " + std::to_string(std::abs(seconds)) + " s " +
                   (seconds > 0 ? "behind" : "ahead of") + " that of AWS, whose time is taken");
  return true;
}

}  // namespace sluice::control::discovery::ec2
