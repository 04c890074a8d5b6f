#include "sluice/control/events.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(Events, ids_count_up_from_one) {
  Events events;
  EXPECT_EQ(events.last_id(), 0u);
  for (int i = 0; i < 3; ++i) events.add({.type = event_type::reload});
  ASSERT_EQ(events.all().size(), 3u);
  EXPECT_EQ(events.all().front().id, 1u);
  EXPECT_EQ(events.last_id(), 3u);
}

TEST(Events, the_oldest_go_when_there_are_more_than_a_thousand) {
  Events events;
  for (std::size_t i = 0; i < Events::kept + 5; ++i) events.add({.type = event_type::reload});
  EXPECT_EQ(events.all().size(), Events::kept);
  EXPECT_EQ(events.all().front().id, 6u);
  EXPECT_EQ(events.all().back().id, events.last_id());
}

TEST(Events, subscribers_hear_of_each_until_they_end) {
  Events events;
  int heard = 0;
  Events::Subscription subscription = events.subscribe([&heard] { ++heard; });
  EXPECT_EQ(events.subscribers(), 1u);
  events.add({.type = event_type::reload});
  events.add({.type = event_type::reload});
  EXPECT_EQ(heard, 2);
  subscription.reset();
  events.add({.type = event_type::reload});
  EXPECT_EQ(heard, 2);
  EXPECT_EQ(events.subscribers(), 0u);
}

TEST(Events, a_subscriber_may_end_another_one_while_it_is_told) {
  Events events;
  int heard = 0;
  Events::Subscription second;
  const Events::Subscription first = events.subscribe([&second] { second.reset(); });
  second = events.subscribe([&heard] { ++heard; });
  events.add({.type = event_type::reload});
  EXPECT_EQ(heard, 0);
}

TEST(Events, a_subscription_may_outlive_them) {
  Events::Subscription subscription;
  {
    Events events;
    subscription = events.subscribe([] {});
  }
  subscription.reset();
}

}  // namespace
}  // namespace sluice::control
