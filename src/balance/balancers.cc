#include <array>

#include "balance/makers.h"
#include "sluice/balance/balancer.h"

namespace sluice::balance {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Balancer> (*make)();
};

// All algorithms. The name is the value of a target group's `algorithm`.
constexpr std::array balancers{
    Row{"round_robin", make_round_robin},
    Row{"least_outstanding_requests", make_least_outstanding_requests},
    Row{"weighted_random", make_weighted_random},
    Row{"random_two", make_random_two},
    Row{"least_time", make_least_time},
    Row{"consistent_hash", make_consistent_hash},
};

}  // namespace

std::unique_ptr<Balancer> make_balancer(std::string_view name) {
  for (const Row& row : balancers) {
    if (row.name == name) return row.make();
  }
  return nullptr;
}

std::vector<std::string_view> balancer_names() {
  std::vector<std::string_view> names;
  names.reserve(balancers.size());
  for (const Row& row : balancers) names.push_back(row.name);
  return names;
}

}  // namespace sluice::balance
