#include "sluice/upstream/waiting_room.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "support/streams.h"

namespace sluice::upstream {
namespace {

using std::chrono::milliseconds;

struct Fixture {
  Fixture() { room->apply(10); }

  net::Loop loop;
  observe::Registry metrics;
  observe::Cells& cells = metrics.add_cells();
  std::shared_ptr<target::GroupState> state = std::make_shared<target::GroupState>("group");
  observe::Gauge& gauge = cells.gauge(observe::Metric::target_queue_requests, {"group"});
  std::unique_ptr<WaitingRoom> room = std::make_unique<WaitingRoom>(loop, gauge, state);
  int free = 0;       // places at targets
  std::string order;  // who got one, or left
};

// Waits until some of `free` is there, and takes it.
net::Task<> wait_for_room(Fixture& fixture, char name, bool takes_any, milliseconds timeout,
                          int& free) {
  Place place(*fixture.room, takes_any);
  if (!place.enter(timeout)) {
    fixture.order += '!';
    co_return;
  }
  for (;;) {
    const net::Wake wake = co_await place.wait();
    if (wake != net::Wake::ready) {
      fixture.order += '-';
      co_return;
    }
    if (free > 0) break;
  }
  --free;
  fixture.order += name;
}

void enter(Fixture& fixture, char name) {
  net::spawn(wait_for_room(fixture, name, true, net::test::long_time, fixture.free));
}

TEST(WaitingRoom, room_goes_to_who_came_first) {
  Fixture fixture;
  for (const char name : {'a', 'b', 'c'}) enter(fixture, name);
  EXPECT_EQ(fixture.room->size(), 3U);
  EXPECT_EQ(fixture.metrics.sum(observe::Metric::target_queue_requests, {"group"}), 3);
  fixture.free = 2;
  fixture.room->offer();
  support::settle(fixture.loop);
  EXPECT_EQ(fixture.order, "ab");
  EXPECT_EQ(fixture.room->size(), 1U);
  fixture.free = 1;
  fixture.room->offer();
  support::settle(fixture.loop);
  EXPECT_EQ(fixture.order, "abc");
  EXPECT_FALSE(fixture.room->is_anybody_waiting());
}

TEST(WaitingRoom, one_that_waits_for_a_certain_target_lets_others_go_first) {
  Fixture fixture;
  int own = 0;
  net::spawn(wait_for_room(fixture, 'a', false, net::test::long_time, own));
  enter(fixture, 'b');
  fixture.free = 1;
  fixture.room->offer();
  support::settle(fixture.loop);
  EXPECT_EQ(fixture.order, "b");
  own = 1;
  fixture.room->offer();
  support::settle(fixture.loop);
  EXPECT_EQ(fixture.order, "ba");
}

TEST(WaitingRoom, who_waits_too_long_is_told) {
  Fixture fixture;
  net::spawn(wait_for_room(fixture, 'a', true, milliseconds(100), fixture.free));
  enter(fixture, 'b');
  support::pass_time(fixture.loop, milliseconds(90));
  EXPECT_EQ(fixture.order, "");
  support::pass_time(fixture.loop, milliseconds(40));
  EXPECT_EQ(fixture.order, "-");
  EXPECT_EQ(fixture.room->size(), 1U);
  fixture.free = 1;
  fixture.room->offer();
  support::settle(fixture.loop);
  EXPECT_EQ(fixture.order, "-b");
}

TEST(WaitingRoom, it_is_bounded) {
  Fixture fixture;
  fixture.room->apply(1);
  enter(fixture, 'a');
  enter(fixture, 'b');
  EXPECT_EQ(fixture.order, "!");
  fixture.free = 1;
  fixture.room->offer();
  support::settle(fixture.loop);
}

TEST(WaitingRoom, room_that_nobody_offered_is_found_by_a_tick) {
  Fixture fixture;
  enter(fixture, 'a');
  fixture.free = 1;
  support::pass_time(fixture.loop, milliseconds(40));
  EXPECT_EQ(fixture.order, "a");
}

TEST(WaitingRoom, workers_with_waiting_requests_are_offered_room_in_turn) {
  Fixture one;
  Fixture other;
  other.state = one.state;
  other.room = std::make_unique<WaitingRoom>(other.loop, other.gauge, one.state);
  other.room->apply(10);
  for (const char name : {'a', 'b'}) enter(one, name);
  for (const char name : {'c', 'd'}) {
    net::spawn(wait_for_room(other, name, true, net::test::long_time, one.free));
  }
  EXPECT_TRUE(one.room->do_others_wait());
  const auto offer = [&] {
    one.free = 1;
    one.room->offer();
    support::settle(one.loop);
    support::settle(other.loop);
  };
  offer();
  EXPECT_EQ(one.order.size() + other.order.size(), 1U);
  offer();
  EXPECT_EQ(one.order, "a");
  EXPECT_EQ(other.order, "c");
  offer();
  offer();
  EXPECT_EQ(one.order, "ab");
  EXPECT_EQ(other.order, "cd");
  EXPECT_FALSE(other.room->is_anybody_waiting());
}

}  // namespace
}  // namespace sluice::upstream
