#include "app/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace sluice::app {

namespace {

constexpr std::size_t workers_max = 256;

std::size_t affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

// "max 100000" or "150000 100000": quota and period in microseconds.
std::size_t cgroup_limit(const std::string& path) {
  std::ifstream file(path);
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return workers_max;
  const double limit = std::strtod(quota.c_str(), nullptr) / period;
  return std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(limit)), 1, workers_max);
}

// The limit of this process's own cgroup and of all above it: the smallest holds.
std::size_t smallest_cgroup_limit() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  std::size_t smallest = cgroup_limit("/sys/fs/cgroup/cpu.max");
  while (std::getline(file, line)) {
    if (!line.starts_with("0::")) continue;
    for (std::string group = line.substr(3); group.size() > 1;
         group = group.substr(0, group.rfind('/'))) {
      smallest = std::min(smallest, cgroup_limit("/sys/fs/cgroup" + group + "/cpu.max"));
    }
  }
  return smallest;
}

}  // namespace

std::size_t usable_processors() {
  return std::clamp<std::size_t>(std::min(affinity_count(), smallest_cgroup_limit()), 1,
                                 workers_max);
}

}  // namespace sluice::app
