#include "app/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

namespace sluice::app {
namespace {

TEST(Processors, there_is_at_least_one_and_no_more_than_this_process_may_run_on) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_GE(usable_processors(), 1U);
  EXPECT_LE(usable_processors(), static_cast<std::size_t>(CPU_COUNT(&set)));
}

TEST(Processors, an_affinity_for_one_means_one) {
  cpu_set_t former;
  CPU_ZERO(&former);
  ASSERT_EQ(::sched_getaffinity(0, sizeof former, &former), 0);
  int first = 0;
  while (!CPU_ISSET(first, &former)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_processors(), 1U);
  ASSERT_EQ(::sched_setaffinity(0, sizeof former, &former), 0);
}

}  // namespace
}  // namespace sluice::app
