// H2Link and H2Channel as a server over a socket pair; the peer is a session of the client's role.
#include "sluice/upstream/h2_channel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/h2_frames.h"
#include "support/peer.h"

namespace sluice::upstream {
namespace {

using http::H2Error;
using http::H2Fields;
using http::H2Session;
using http::H2Settings;
using http::H2Stream;
using net::Transfer;
using observe::Reason;
namespace h2 = test::h2;

constexpr std::chrono::milliseconds write_timeout{1'000};
constexpr std::string_view head = ":status: 200\r\nServer: test\r\n\r\n";

// --- the peer

struct Request final : H2Stream {
  void on_head(H2Fields&&, Reason, bool) override { ++heads; }
  void on_data(base::Bytes content) override {
    body += base::as_text(content);
    session()->consumed(*this, content.size());
  }
  void on_end(H2Fields&& fields) override {
    ended = true;
    for (const http::Field& field : fields.all()) trailers += std::string(field.name) + ';';
  }
  void on_drained() override {}
  void on_closed(Reason reason, std::uint32_t code) override {
    closed = true;
    why = reason;
    error = code;
  }
  int heads = 0;
  std::string body;
  std::string trailers;
  bool ended = false;
  bool closed = false;
  Reason why = Reason::none;
  std::uint32_t error = 0;
};

struct Client final : H2Session::Owner {
  explicit Client(const H2Settings& settings) : session(H2Session::Role::client, settings, *this) {}
  H2Stream* new_stream() override { return nullptr; }
  void on_peer_settings() override {}
  void on_goaway(std::int32_t, std::uint32_t) override { has_goaway = true; }
  void on_pong() override {}
  bool has_goaway = false;
  H2Session session;
};

// --- our side

class Channel final : public H2Channel {
 public:
  explicit Channel(H2Link& link) : H2Channel(link, write_timeout) {}
  void on_head(H2Fields&& fields, Reason, bool) override {
    fields_ = std::move(fields);
    has_head = true;
    note();
  }
  bool put_head(std::span<const H2Session::Line> lines, bool ends) override {
    return session()->send_head(*this, lines, ends);
  }
  void wake() override {
    ++wakes;
    if (when_woken) return when_woken(*this);
    H2Channel::wake();
  }
  void make_noted() { note(); }
  bool has_head = false;
  int wakes = 0;
  std::function<void(Channel&)> when_woken;

 private:
  H2Fields fields_;
};

struct Outcome {
  bool done = false;
  Transfer result = Transfer::ok;
};

net::Task<> keep_run(H2Link& link, bool& done, Reason& reason) {
  reason = co_await link.run({});
  done = true;
}
net::Task<> keep_finish(Channel& channel, Outcome& outcome) {
  outcome.result = co_await channel.finish();
  outcome.done = true;
}
net::Task<> keep_fill(Channel& channel, Outcome& outcome,
                      std::chrono::milliseconds timeout = std::chrono::milliseconds(600'000)) {
  outcome.result = co_await channel.fill(timeout);
  outcome.done = true;
}

class H2ChannelTest : public testing::Test, public H2Session::Owner {
 protected:
  explicit H2ChannelTest(const H2Settings& of_client = {}) : client_(of_client) {
    net::spawn(keep_run(*link_, run_done_, run_reason_));
    exchange();
  }
  ~H2ChannelTest() override {
    if (link_ != nullptr) {
      link_->end(Reason::none);
      support::settle(loop_);
    }
    channels_.clear();
  }

  H2Stream* new_stream() override {
    channels_.push_back(std::make_unique<Channel>(*link_));
    return channels_.back().get();
  }
  void on_peer_settings() override {}
  void on_goaway(std::int32_t, std::uint32_t) override {}
  void on_pong() override {}

  // Until neither side has anything to say.
  void exchange() {
    for (bool moved = true; moved;) {
      moved = false;
      std::vector<char> out(64 * 1024);
      while (const std::size_t size = client_.session.send(out)) {
        pair_.peer.send(std::string_view(out.data(), size));
        support::settle(loop_);
        moved = true;
      }
      support::settle(loop_);
      const std::string got = pair_.peer.received();
      pair_.peer.forget();
      if (got.empty()) continue;
      moved = true;
      (void)client_.session.receive(base::as_bytes(got), base::SteadyTime{std::chrono::hours(1)});
    }
  }
  Channel& open(Request& request, bool ends = true) {
    const std::vector<H2Session::Line> lines{
        {":method", "POST"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}};
    EXPECT_TRUE(client_.session.open(request, lines, ends));
    exchange();
    return *channels_.back();
  }
  void send(Request& request, std::string_view text, bool ends = false) {
    const base::Bytes piece = base::as_bytes(text);
    EXPECT_TRUE(client_.session.send_data(request, {&piece, 1}, ends));
    exchange();
  }
  static Runs runs(std::string_view text) {
    Runs out;
    out.add(base::as_bytes(text));
    return out;
  }
  static std::string text(const Runs& runs) {
    std::string out;
    for (const base::Bytes run : runs.items) out += base::as_text(run);
    return out;
  }

  net::Loop loop_;
  support::Pair pair_ = support::unix_pair();
  net::Stream stream_{loop_, pair_.ours.release()};
  H2Settings settings_;
  Client client_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::unique_ptr<H2Link> link_ =
      std::make_unique<H2Link>(stream_, H2Session::Role::server, settings_, *this, write_timeout);
  bool run_done_ = false;
  Reason run_reason_ = Reason::internal_error;
};

// Its windows are small.
class H2ChannelBehindAWindow : public H2ChannelTest {
 protected:
  static H2Settings shut() {
    H2Settings settings;
    settings.initial_window_bytes = 0;
    return settings;
  }
  H2ChannelBehindAWindow() : H2ChannelTest(shut()) {}
};

TEST_F(H2ChannelTest, an_answer_with_content_and_trailers_arrives_whole) {
  Request request;
  Channel& channel = open(request);
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs("content"), true, "X-Sum: 1\r\n");
  EXPECT_EQ(channel.start(), Transfer::ok);
  EXPECT_FALSE(channel.is_unfinished());
  EXPECT_TRUE(channel.was_sent_whole());
  exchange();
  EXPECT_EQ(request.heads, 1);
  EXPECT_EQ(request.body, "content");
  EXPECT_EQ(request.trailers, "x-sum;");
  EXPECT_TRUE(request.closed);
  EXPECT_EQ(request.why, Reason::none);
  EXPECT_TRUE(channel.is_closed());
  EXPECT_EQ(channel.closed_reason(), Reason::none);
}

TEST_F(H2ChannelTest, all_that_leaves_in_a_turn_leaves_in_one_write) {
  Request one;
  Request other;
  Channel& first = open(one);
  Channel& second = open(other);
  for (Channel* channel : {&first, &second}) {
    channel->set_head(base::as_bytes(head), false);
    channel->add(runs("x"), true, {});
    EXPECT_EQ(channel->start(), Transfer::ok);
    EXPECT_TRUE(pair_.peer.received().empty()) << "before the turn has ended";
  }
  exchange();
  EXPECT_TRUE(one.ended);
  EXPECT_TRUE(other.ended);
}

TEST_F(H2ChannelBehindAWindow, a_writer_waits_for_the_window_and_others_do_not) {
  Request request;
  Channel& channel = open(request);
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs("content"), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  ASSERT_TRUE(channel.is_unfinished());
  Outcome outcome;
  net::spawn(keep_finish(channel, outcome));
  exchange();
  EXPECT_FALSE(outcome.done);

  Request empty;
  Channel& other = open(empty);
  other.set_head(base::as_bytes(head), false);
  other.add({}, true, {});
  EXPECT_EQ(other.start(), Transfer::ok);
  EXPECT_FALSE(other.is_unfinished());
  exchange();
  EXPECT_TRUE(empty.ended);
  EXPECT_FALSE(outcome.done);
  EXPECT_TRUE(channel.cancel());
}

TEST_F(H2ChannelBehindAWindow, a_window_that_stays_shut_is_an_expiry_and_frees_the_content) {
  Request request;
  Channel& channel = open(request);
  auto content = std::make_unique<std::string>(1000, 'x');
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs(*content), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  Outcome outcome;
  net::spawn(keep_finish(channel, outcome));
  support::pass_time(loop_, 2 * write_timeout);
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.result, Transfer::expired);
  content.reset();  // nobody looks at it any more
  channel.session()->reset(channel, H2Error::internal_error);
  link_->flush_soon();
  exchange();
  EXPECT_TRUE(request.closed);
  EXPECT_EQ(request.error, static_cast<std::uint32_t>(H2Error::internal_error));
}

TEST_F(H2ChannelBehindAWindow, a_window_that_opens_a_little_at_a_time_is_progress) {
  Request request;
  Channel& channel = open(request);
  const std::string content(1000, 'x');
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs(content), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  Outcome outcome;
  net::spawn(keep_finish(channel, outcome));
  // Its windows by hand: a session would see more content than it granted.
  const std::string drip =
      h2::frame(h2::window_update, 0, static_cast<std::uint32_t>(channel.id()), h2::number(10));
  for (int i = 0; i < 5; ++i) {
    pair_.peer.send(drip);
    support::settle(loop_);
    EXPECT_FALSE(pair_.peer.received().empty());
    pair_.peer.forget();
    support::pass_time(loop_, write_timeout * 3 / 4);
    ASSERT_FALSE(outcome.done) << i;
  }
  support::pass_time(loop_, write_timeout);  // the last drip was within
  support::pass_time(loop_, 2 * write_timeout);
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.result, Transfer::expired);
}

// --- a peer that reads slowly

class H2ChannelToASlowReader : public H2ChannelTest {
 protected:
  static H2Settings wide() {
    H2Settings settings;
    settings.initial_window_bytes = 8 * 1024 * 1024;
    settings.max_window_bytes = 8 * 1024 * 1024;
    return settings;
  }
  H2ChannelToASlowReader() : H2ChannelTest(wide()) {}

  Channel& open_with(Request& request, std::string_view priority) {
    const std::vector<H2Session::Line> lines{{":method", "GET"},
                                             {":scheme", "http"},
                                             {":authority", "a.te"},
                                             {":path", "/"},
                                             {"priority", priority}};
    EXPECT_TRUE(client_.session.open(request, lines, true));
    exchange();
    return *channels_.back();
  }
};

TEST_F(H2ChannelToASlowReader, a_stream_waits_for_its_turn_while_others_move) {
  Request first;
  Request second;
  Channel& urgent = open_with(first, "u=0");
  Channel& patient = open_with(second, "u=7");
  const std::string content(4 * 1024 * 1024, 'x');
  Outcome one;
  Outcome other;
  for (const auto& [channel, outcome] : {std::pair{&urgent, &one}, std::pair{&patient, &other}}) {
    channel->set_head(base::as_bytes(head), false);
    channel->add(runs(channel == &urgent ? std::string_view(content) : "its turn comes"), true, {});
    EXPECT_EQ(channel->start(), Transfer::ok);
    net::spawn(keep_finish(*channel, *outcome));
  }
  int rounds = 0;
  for (; !other.done && rounds < 1000; ++rounds) {
    support::settle(loop_);
    if (pair_.peer.received().empty()) break;
    pair_.peer.forget();
    support::pass_time(loop_, write_timeout * 3 / 4);
  }
  EXPECT_GT(rounds, 5) << "or nothing was slow";
  EXPECT_TRUE(one.done);
  EXPECT_EQ(one.result, Transfer::ok);
  EXPECT_TRUE(other.done);
  EXPECT_EQ(other.result, Transfer::ok);
}

TEST_F(H2ChannelBehindAWindow, cancel_ends_the_wait_to_write) {
  Request request;
  Channel& channel = open(request);
  EXPECT_FALSE(channel.cancel()) << "nobody waits";
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs("content"), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  Outcome outcome;
  net::spawn(keep_finish(channel, outcome));
  EXPECT_TRUE(channel.cancel());
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.result, Transfer::cancelled);
  EXPECT_FALSE(channel.is_unfinished());
}

TEST_F(H2ChannelBehindAWindow, a_reset_wakes_the_writer_and_the_reader) {
  Request request;
  Channel& channel = open(request, false);
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs("content"), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  Outcome written;
  Outcome read;
  net::spawn(keep_finish(channel, written));
  net::spawn(keep_fill(channel, read));
  client_.session.reset(request, H2Error::cancel);
  exchange();
  EXPECT_TRUE(written.done);
  EXPECT_EQ(written.result, Transfer::failed);
  EXPECT_TRUE(read.done);
  EXPECT_EQ(read.result, Transfer::failed);
  EXPECT_EQ(channel.closed_reason(), Reason::h2_reset_by_peer);
  // What is tried behind it fails, and harms nobody.
  channel.add(runs("more"), true, {});
  EXPECT_EQ(channel.start(), Transfer::failed);
}

TEST_F(H2ChannelTest, content_waits_until_it_is_taken) {
  Request request;
  Channel& channel = open(request, false);
  send(request, "one");
  send(request, "two", true);
  EXPECT_FALSE(channel.is_finished());
  EXPECT_EQ(text(channel.take()), "onetwo");
  EXPECT_TRUE(channel.is_finished());
  EXPECT_EQ(channel.content_bytes(), 6U);
}

TEST_F(H2ChannelTest, what_a_tunnel_carries_is_not_counted_as_a_messages) {
  Request request;
  Channel& channel = open(request, false);
  channel.set_head(base::as_bytes(head), false);
  channel.add({}, false, {});
  ASSERT_EQ(channel.start(), Transfer::ok);
  const std::uint64_t written = channel.bytes_written();
  channel.begin_tunnel();
  send(request, "from there");
  std::array<char, 64> into{};
  EXPECT_EQ(channel.read(into), 10U);
  EXPECT_EQ(channel.held_bytes(), 0U);
  channel.add(runs("from here"), false, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  exchange();
  EXPECT_EQ(request.body, "from here");
  EXPECT_EQ(channel.content_bytes(), 0U);
  EXPECT_EQ(channel.bytes_written(), written);
}

TEST_F(H2ChannelTest, a_stream_whose_content_is_not_taken_stands_still_alone) {
  Request request;
  Channel& channel = open(request, false);
  const std::string large(200'000, 'x');
  send(request, large);
  EXPECT_EQ(client_.session.content_sent(), settings_.initial_window_bytes);
  Request other;
  Channel& second = open(other, false);
  send(other, "flows", true);
  EXPECT_EQ(text(second.take()), "flows");
  // Taking opens the window again, up to the end.
  std::size_t bytes = 0;
  while (bytes < large.size()) {
    const std::size_t taken = channel.take().bytes;
    ASSERT_GT(taken, 0U);
    bytes += taken;
    Outcome outcome;
    net::spawn(keep_fill(channel, outcome));
    exchange();
    if (!outcome.done) EXPECT_TRUE(channel.cancel_reader());
  }
  EXPECT_EQ(bytes, large.size());
}

TEST_F(H2ChannelTest, a_body_that_was_taken_once_can_begin_anew) {
  Request request;
  Channel& channel = open(request, false);
  send(request, "content");
  EXPECT_TRUE(channel.can_restart());
  EXPECT_EQ(text(channel.take()), "content");
  EXPECT_TRUE(channel.can_restart());
  channel.restart();
  EXPECT_EQ(channel.content_bytes(), 0U);
  EXPECT_EQ(text(channel.take()), "content");
  Outcome outcome;
  net::spawn(keep_fill(channel, outcome));
  EXPECT_FALSE(channel.can_restart()) << "what was taken is gone";
  EXPECT_FALSE(outcome.done);
  EXPECT_TRUE(channel.cancel_reader());
  EXPECT_EQ(outcome.result, Transfer::cancelled);
}

TEST_F(H2ChannelTest, silence_of_the_sender_expires) {
  Request request;
  Channel& channel = open(request, false);
  Outcome outcome;
  net::spawn(keep_fill(channel, outcome, std::chrono::milliseconds(500)));
  support::pass_time(loop_, std::chrono::milliseconds(1000));
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.result, Transfer::expired);
}

TEST_F(H2ChannelTest, what_is_discarded_takes_no_window) {
  Request request;
  Channel& channel = open(request, false);
  channel.discard_body();
  send(request, std::string(3 * settings_.initial_window_bytes, 'x'));
  EXPECT_EQ(client_.session.content_sent(), 3 * settings_.initial_window_bytes);
  EXPECT_TRUE(channel.take().bytes == 0);
}

TEST_F(H2ChannelTest, the_end_of_the_link_wakes_everybody) {
  Request one;
  Request other;
  Channel& first = open(one, false);
  Channel& second = open(other, false);
  Outcome of_first;
  Outcome of_second;
  net::spawn(keep_fill(first, of_first));
  net::spawn(keep_fill(second, of_second));
  pair_.peer.close();
  support::settle(loop_);
  EXPECT_TRUE(run_done_);
  EXPECT_EQ(run_reason_, Reason::client_closed);
  EXPECT_EQ(of_first.result, Transfer::failed);
  EXPECT_EQ(of_second.result, Transfer::failed);
  EXPECT_EQ(first.closed_reason(), Reason::client_closed);
  EXPECT_FALSE(first.is_attached());
}

TEST_F(H2ChannelTest, a_link_may_be_ended_from_inside_of_what_it_wakes) {
  Request request;
  Channel& channel = open(request, false);
  channel.when_woken = [this](Channel&) { link_->end(Reason::client_write_timeout); };
  send(request, "x");
  EXPECT_TRUE(run_done_);
  EXPECT_EQ(run_reason_, Reason::client_write_timeout);
  EXPECT_TRUE(channel.is_closed());
}

TEST_F(H2ChannelTest, a_channel_may_go_while_it_and_others_are_noted) {
  Request one;
  Request two;
  Request three;
  open(one, false);
  open(two, false);
  Channel& last = open(three, false);
  const int wakes = last.wakes;
  for (const auto& each : channels_) each->make_noted();
  channels_.erase(channels_.begin());  // the first of the list
  channels_[0]->when_woken = [this](Channel& self) {
    ASSERT_EQ(channels_[0].get(), &self);
    channels_.erase(channels_.begin());  // itself, while it is woken
  };
  link_->gather();
  EXPECT_EQ(channels_.size(), 1U);
  EXPECT_EQ(last.wakes, wakes + 1);
  // The last of the list, and then the only one.
  last.make_noted();
  channels_.clear();
  link_->gather();
  exchange();
  EXPECT_TRUE(one.closed && two.closed && three.closed);
  EXPECT_EQ(three.error, static_cast<std::uint32_t>(H2Error::cancel));
}

TEST_F(H2ChannelTest, a_channel_that_goes_takes_the_next_one_with_it) {
  Request one;
  Request other;
  Channel& first = open(one, false);
  open(other, false);
  for (const auto& each : channels_) each->make_noted();
  first.when_woken = [this](Channel&) { channels_.clear(); };
  link_->gather();
  exchange();
  EXPECT_TRUE(one.closed && other.closed);
}

TEST_F(H2ChannelTest, a_link_may_go_with_a_write_posted) {
  Request request;
  Channel& channel = open(request);
  channel.set_head(base::as_bytes(head), false);
  channel.add(runs("x"), true, {});
  EXPECT_EQ(channel.start(), Transfer::ok);
  link_->end(Reason::none);
  support::settle(loop_);
  ASSERT_TRUE(run_done_);
  link_->flush_soon();
  channels_.clear();
  link_.reset();
  support::settle(loop_);
}

}  // namespace
}  // namespace sluice::upstream
