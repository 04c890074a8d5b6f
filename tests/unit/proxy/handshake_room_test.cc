#include "proxy/handshake_room.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "support/peer.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds long_time{600'000};

net::Task<> enter(HandshakeRoom& room, std::uint32_t limit, milliseconds patience, int who,
                  std::vector<int>& in, std::vector<int>& refused) {
  const bool entered = co_await room.enter(limit, patience);
  (entered ? in : refused).push_back(who);
}

class Room : public testing::Test {
 protected:
  void come(int who, std::uint32_t limit, milliseconds patience = long_time) {
    net::spawn(enter(room_, limit, patience, who, in_, refused_));
  }

  net::Loop loop_;
  HandshakeRoom room_{loop_};
  std::vector<int> in_;
  std::vector<int> refused_;
};

TEST_F(Room, beyond_the_limit_they_wait_in_the_order_of_arrival) {
  for (int who = 0; who < 5; ++who) come(who, 2);
  EXPECT_EQ(in_, (std::vector{0, 1}));
  for (std::size_t left = 1; left <= 3; ++left) {
    room_.leave();
    ASSERT_TRUE(support::run_until(loop_, [&] { return in_.size() == 2 + left; }));
  }
  EXPECT_EQ(in_, (std::vector{0, 1, 2, 3, 4}));
  room_.leave();
  room_.leave();
  come(5, 2);
  EXPECT_EQ(in_.size(), 6U);
}

TEST_F(Room, who_waited_too_long_is_refused_and_takes_no_place) {
  come(0, 1);
  come(1, 1, milliseconds(1));
  come(2, 1);
  ASSERT_TRUE(support::run_until(loop_, [&] {
    loop_.clock.refresh();
    loop_.deadlines.advance();
    return !refused_.empty();
  }));
  EXPECT_EQ(refused_, std::vector{1});
  room_.leave();
  ASSERT_TRUE(support::run_until(loop_, [&] { return in_.size() == 2; }));
  EXPECT_EQ(in_, (std::vector{0, 2}));
}

TEST_F(Room, no_limit_and_a_raised_limit_let_all_in) {
  for (int who = 0; who < 3; ++who) come(who, 0);
  EXPECT_EQ(in_.size(), 3U);
  come(3, 3);
  EXPECT_EQ(in_.size(), 3U);
  come(4, 10);  // the newest limit counts; the first who waits goes first
  room_.leave();
  ASSERT_TRUE(support::run_until(loop_, [&] { return in_.size() == 5; }));
  EXPECT_EQ(in_, (std::vector{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace sluice::proxy
