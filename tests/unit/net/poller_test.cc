#include "sluice/net/poller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "sluice/net/loop.h"
#include "support/peer.h"

namespace sluice::net {
namespace {

using support::Pair;
using support::settle;

// Reads until the kernel says that there is no more, as users of a Descriptor do.
std::string read_all(Descriptor& descriptor) {
  std::string out;
  std::array<char, 1000> block;
  while (descriptor.may_read()) {
    const ssize_t got = ::recv(descriptor.fd(), block.data(), block.size(), 0);
    if (got > 0) out.append(block.data(), static_cast<std::size_t>(got));
    if (got < static_cast<ssize_t>(block.size())) descriptor.set_drained();
    if (got <= 0) break;
  }
  return out;
}

void count(WaitSlot& slot, int& calls) {
  slot.arm([&calls](Wake wake) {
    if (wake == Wake::ready) ++calls;
  });
}

TEST(Poller, data_that_waited_before_the_descriptor_was_added_is_told) {
  Loop loop;
  Pair pair = support::unix_pair();
  pair.peer.send("early");
  Descriptor descriptor(loop.poller, pair.ours.release());
  int calls = 0;
  count(descriptor.reader, calls);
  settle(loop);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(read_all(descriptor), "early");
}

TEST(Poller, data_that_came_before_anybody_waited_is_remembered) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  EXPECT_FALSE(descriptor.may_read());
  pair.peer.send("data");
  settle(loop);
  EXPECT_TRUE(descriptor.may_read());
  EXPECT_EQ(read_all(descriptor), "data");
  EXPECT_FALSE(descriptor.may_read());
}

TEST(Poller, each_arrival_after_the_socket_was_drained_is_told) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  for (int i = 1; i <= 3; ++i) {
    int calls = 0;
    count(descriptor.reader, calls);
    settle(loop);
    EXPECT_EQ(calls, 0);
    pair.peer.send("x");
    settle(loop);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(read_all(descriptor), "x");
  }
}

TEST(Poller, an_end_of_stream_is_told_and_reading_stays_possible) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  settle(loop);
  EXPECT_FALSE(descriptor.hung_up());
  int calls = 0;
  count(descriptor.reader, calls);
  pair.peer.shutdown_write();
  settle(loop);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(descriptor.hung_up());
  EXPECT_FALSE(descriptor.was_reset());
  descriptor.set_drained();
  EXPECT_TRUE(descriptor.may_read());
}

TEST(Poller, an_end_of_stream_that_came_with_the_last_bytes_is_seen_after_a_short_read) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  pair.peer.send("last");
  pair.peer.shutdown_write();
  settle(loop);
  std::array<char, 100> block;
  ASSERT_EQ(::recv(descriptor.fd(), block.data(), block.size(), 0), 4);
  descriptor.set_drained();  // no edge will come any more
  ASSERT_TRUE(descriptor.may_read());
  EXPECT_EQ(::recv(descriptor.fd(), block.data(), block.size(), 0), 0);
}

TEST(Poller, an_end_of_stream_after_a_short_read_is_told) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  pair.peer.send("data");
  settle(loop);
  EXPECT_EQ(read_all(descriptor), "data");
  int calls = 0;
  count(descriptor.reader, calls);
  pair.peer.shutdown_write();
  settle(loop);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(descriptor.hung_up());
}

TEST(Poller, a_reset_is_told_apart_from_an_end) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  settle(loop);
  int reads = 0;
  int writes = 0;
  count(descriptor.reader, reads);
  count(descriptor.writer, writes);
  pair.peer.reset();
  settle(loop);
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(writes, 1);
  EXPECT_TRUE(descriptor.hung_up());
  EXPECT_TRUE(descriptor.was_reset());
}

TEST(Poller, a_full_socket_is_told_when_it_has_room_again) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  settle(loop);
  const std::string block(4096, 'x');
  while (::send(descriptor.fd(), block.data(), block.size(), MSG_NOSIGNAL) > 0) {
  }
  descriptor.set_full();
  EXPECT_FALSE(descriptor.may_write());
  int calls = 0;
  count(descriptor.writer, calls);
  settle(loop);
  EXPECT_EQ(calls, 0);
  (void)pair.peer.received();
  settle(loop);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(descriptor.may_write());
}

// Both have an event in one batch; whichever comes first destroys the other.
TEST(Poller, an_event_of_a_descriptor_destroyed_in_the_same_batch_is_forgotten) {
  Loop loop;
  std::array<Pair, 2> pairs{support::unix_pair(), support::unix_pair()};
  std::array<std::unique_ptr<Descriptor>, 2> descriptors;
  int calls = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    descriptors[i] = std::make_unique<Descriptor>(loop.poller, pairs[i].ours.release());
  }
  settle(loop);
  for (std::size_t i = 0; i < 2; ++i) {
    descriptors[i]->reader.arm([&calls, other = &descriptors[1 - i]](Wake) {
      ++calls;
      other->reset();
    });
    pairs[i].peer.send("x");
  }
  settle(loop);
  EXPECT_EQ(calls, 1);
}

TEST(Poller, a_reader_may_destroy_its_descriptor_while_a_writer_waits) {
  Loop loop;
  Pair pair = support::tcp_pair();
  auto descriptor = std::make_unique<Descriptor>(loop.poller, pair.ours.release());
  settle(loop);
  int writes = 0;
  count(descriptor->writer, writes);
  descriptor->reader.arm([&descriptor](Wake) { descriptor.reset(); });
  pair.peer.reset();
  settle(loop);
  EXPECT_EQ(descriptor, nullptr);
  EXPECT_EQ(writes, 0);
}

TEST(Poller, a_reader_may_close_its_descriptor) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  settle(loop);
  descriptor.reader.arm([&descriptor](Wake) { descriptor.close(); });
  pair.peer.send("x");
  settle(loop);
  EXPECT_FALSE(descriptor.is_open());
  EXPECT_FALSE(descriptor.may_read());
  EXPECT_TRUE(pair.peer.has_ended());
}

// The kernel drops a watch when the last duplicate of its descriptor is closed, not the one it was
// made with: listening sockets are duplicated, for the workers and by the service manager.
TEST(Poller, a_closed_descriptor_is_not_heard_of_though_a_duplicate_is_open) {
  Loop loop;
  Pair watched = support::unix_pair();
  Pair quiet = support::unix_pair();
  const OwnedFd duplicate(::fcntl(watched.ours.get(), F_DUPFD_CLOEXEC, 0));
  std::optional<Descriptor> descriptor;
  descriptor.emplace(loop.poller, watched.ours.release());
  settle(loop);
  descriptor.reset();
  // At the same address: an event for the old one would be taken for the new one's.
  descriptor.emplace(loop.poller, quiet.ours.release());
  settle(loop);
  watched.peer.send("x");
  settle(loop);
  EXPECT_FALSE(descriptor->may_read());
}

TEST(Poller, what_cannot_be_watched_is_closed) {
  Loop loop;
  Descriptor none(loop.poller, -1);
  EXPECT_FALSE(none.is_open());
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);  // epoll refuses regular files
  ASSERT_GE(file, 0);
  Descriptor regular(loop.poller, file);
  EXPECT_FALSE(regular.is_open());
  EXPECT_EQ(::fcntl(file, F_GETFD), -1);
}

TEST(Poller, many_ready_descriptors_are_all_served) {
  constexpr std::size_t many = 600;  // more than two batches
  Loop loop;
  std::vector<Pair> pairs;
  std::vector<std::unique_ptr<Descriptor>> descriptors;
  int calls = 0;
  for (std::size_t i = 0; i < many; ++i) {
    pairs.push_back(support::unix_pair());
    pairs.back().peer.send("x");
    descriptors.push_back(std::make_unique<Descriptor>(loop.poller, pairs.back().ours.release()));
    count(descriptors.back()->reader, calls);
  }
  settle(loop);
  EXPECT_EQ(calls, static_cast<int>(many));
}

TEST(Poller, a_stopped_poller_lets_the_loop_run_out_of_work) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  loop.poller.stop();
  loop.context.run();  // returns
  EXPECT_TRUE(loop.context.stopped());
}

TEST(Poller, the_clock_is_read_before_anything_is_resumed) {
  Loop loop;
  Pair pair = support::unix_pair();
  Descriptor descriptor(loop.poller, pair.ours.release());
  settle(loop);
  loop.clock.set({}, {});
  base::SteadyTime seen{};
  descriptor.reader.arm([&loop, seen = &seen](Wake) { *seen = loop.clock.now(); });
  pair.peer.send("x");
  settle(loop);
  EXPECT_GT(seen, base::SteadyTime{});
}

}  // namespace
}  // namespace sluice::net
