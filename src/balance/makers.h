// The makers of all algorithms, one per file of this folder, for the table in balancers.cc.
#pragma once

#include <memory>

#include "sluice/balance/balancer.h"

namespace sluice::balance {

std::unique_ptr<Balancer> make_round_robin();
std::unique_ptr<Balancer> make_least_outstanding_requests();
std::unique_ptr<Balancer> make_weighted_random();
std::unique_ptr<Balancer> make_random_two();
std::unique_ptr<Balancer> make_least_time();
std::unique_ptr<Balancer> make_consistent_hash();

}  // namespace sluice::balance
