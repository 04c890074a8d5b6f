#include "sluice/http/h2_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/h2_frames.h"

namespace sluice::http {
namespace {

namespace h2 = test::h2;
using observe::Reason;

std::string describe(const H2Fields& fields) {
  std::string text;
  for (const Field& field : fields.all()) {
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return text;
}

// Writes down what happens to it.
class Stream : public H2Stream {
 public:
  void on_head(H2Fields&& fields, Reason limit, bool is_last) override {
    head = std::move(fields);
    heads.push_back(describe(head) + (is_last ? " ends" : ""));
    defect = limit;
    if (when_head) when_head();
  }
  void on_data(base::Bytes content) override {
    body += base::as_text(content);
    if (consumes) session()->consumed(*this, content.size());
    if (when_data) when_data();
  }
  void on_end(H2Fields&& fields) override {
    ++ends;
    trailers = describe(fields);
    if (when_end) when_end();
  }
  void on_drained() override {
    ++drained;
    if (when_drained) when_drained();
  }
  void on_closed(Reason reason, std::uint32_t error_code) override {
    ++closed;
    why = reason;
    error = error_code;
    if (when_closed) when_closed();
  }

  H2Fields head;
  std::vector<std::string> heads;
  Reason defect = Reason::none;
  std::string body;
  std::string trailers;
  int ends = 0;
  int drained = 0;
  int closed = 0;
  Reason why = Reason::none;
  std::uint32_t error = 0;
  bool consumes = true;
  std::function<void()> when_head, when_data, when_end, when_drained, when_closed;
};

struct End : H2Session::Owner {
  explicit End(H2Session::Role role, const H2Settings& settings = {})
      : session(std::make_unique<H2Session>(role, settings, *this)) {}
  H2Stream* new_stream() override {
    if (refuses) return nullptr;
    streams.push_back(std::make_unique<Stream>());
    streams.back()->consumes = consumes;
    if (when_new) when_new(*streams.back());
    return streams.back().get();
  }
  void on_peer_settings() override { ++peer_settings; }
  void on_goaway(std::int32_t last, std::uint32_t) override { goaway_last = last; }
  void on_pong() override { ++pongs; }

  std::string take(std::size_t room = 32 * 1024) {
    std::string all;
    std::vector<char> out(room);
    while (const std::size_t size = session->send(out)) {
      EXPECT_LE(size, room);
      all.append(out.data(), size);
    }
    return all;
  }
  Reason give(std::string_view bytes) { return session->receive(base::as_bytes(bytes), now); }
  Stream& stream(std::size_t index = 0) { return *streams.at(index); }

  bool refuses = false;
  bool consumes = true;
  std::function<void(Stream&)> when_new;
  std::deque<std::unique_ptr<Stream>> streams;
  int peer_settings = 0;
  int pongs = 0;
  std::int32_t goaway_last = -1;
  base::SteadyTime now{std::chrono::hours(1)};
  std::unique_ptr<H2Session> session;  // ends before its streams
};

using Lines = std::vector<H2Session::Line>;
const Lines get_lines{
    {":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/x"}};
const Lines post_lines{
    {":method", "POST"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/up"}};
const Lines ok_lines{{":status", "200"}, {"Server", "Test"}};

// A server and a client, back to back.
struct Pair {
  explicit Pair(const H2Settings& settings = {}, const H2Settings& of_client = {})
      : server(H2Session::Role::server, settings), client(H2Session::Role::client, of_client) {
    exchange();
  }
  // Until neither has anything to say.
  void exchange(std::size_t room = 32 * 1024) {
    for (int turn = 0; turn < 10'000; ++turn) {
      const std::string up = client.take(room);
      if (!up.empty()) server_reason = server.give(up);
      const std::string down = server.take(room);
      if (!down.empty()) client_reason = client.give(down);
      if (up.empty() && down.empty()) return;
    }
    ADD_FAILURE() << "the two never fall silent";
  }
  End server;
  End client;
  Reason server_reason = Reason::none;
  Reason client_reason = Reason::none;
};

// A server that has taken preface and SETTINGS of a peer that is made by hand.
struct Server : End {
  explicit Server(const H2Settings& settings = {}) : End(H2Session::Role::server, settings) {
    EXPECT_EQ(give(std::string(h2::preface) + h2::frame(h2::settings, 0, 0)), Reason::none);
    EXPECT_EQ(give(h2::frame(h2::settings, h2::end_stream, 0)), Reason::none);
    opening = h2::frames_of(take());
  }
  std::vector<h2::Frame> opening;
};
struct Client : End {
  explicit Client(const H2Settings& settings = {}) : End(H2Session::Role::client, settings) {
    EXPECT_EQ(give(h2::frame(h2::settings, 0, 0)), Reason::none);
    EXPECT_EQ(give(h2::frame(h2::settings, h2::end_stream, 0)), Reason::none);
    opening = h2::frames_of(take());
  }
  std::vector<h2::Frame> opening;
};

int count(const std::vector<h2::Frame>& frames, std::uint8_t type) {
  return static_cast<int>(
      std::ranges::count_if(frames, [&](const h2::Frame& frame) { return frame.type == type; }));
}
std::uint32_t setting(const std::vector<h2::Frame>& frames, std::uint32_t id) {
  for (const h2::Frame& frame : frames) {
    if (frame.type != h2::settings) continue;
    for (std::size_t at = 0; at + 6 <= frame.payload.size(); at += 6) {
      if ((frame.number_at(at) >> 16) == id) return frame.number_at(at + 2);
    }
  }
  return ~0U;
}
// That the connection ended for this reason, with a GOAWAY of this code last, and nothing after.
void expect_end(End& end, Reason result, Reason reason, H2Error error) {
  EXPECT_EQ(observe::text(result), observe::text(reason));
  EXPECT_EQ(end.session->failure(), reason);
  EXPECT_FALSE(end.session->error_text().empty());
  const auto frames = h2::frames_of(end.take());
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().type, h2::goaway);
  EXPECT_EQ(frames.back().number_at(4), static_cast<std::uint32_t>(error));
  EXPECT_TRUE(end.session->is_over());
  EXPECT_FALSE(end.session->wants_send());
  EXPECT_EQ(end.session->open_streams(), 0U);
  EXPECT_EQ(end.give(h2::frame(h2::ping, 0, 0, "12345678")), reason);
  EXPECT_EQ(end.take(), "");
  for (const auto& stream : end.streams) EXPECT_EQ(stream->closed, 1);
}

TEST(H2Session, carries_a_request_and_its_answer) {
  Pair pair;
  EXPECT_EQ(pair.client.peer_settings, 1);
  EXPECT_EQ(pair.server.peer_settings, 1);
  EXPECT_TRUE(pair.client.session->peer_takes_extended_connect());
  Stream request;
  ASSERT_TRUE(pair.client.session->open(request, get_lines, true));
  EXPECT_EQ(request.id(), 1);
  pair.exchange();
  Stream& served = pair.server.stream();
  EXPECT_EQ(served.heads, std::vector<std::string>{
                              ":method=GET;:scheme=https;:authority=a.example;:path=/x; ends"});
  EXPECT_EQ(served.ends, 1);
  EXPECT_EQ(served.head.list_bytes(), 4 * 32U + 7 + 3 + 7 + 5 + 10 + 9 + 5 + 2);
  ASSERT_TRUE(pair.server.session->send_head(served, ok_lines, false));
  const std::string_view one = "hello, ", other = "world";
  const std::array<base::Bytes, 3> pieces{base::as_bytes(one), base::Bytes{},
                                          base::as_bytes(other)};
  ASSERT_TRUE(pair.server.session->send_data(served, pieces, true));
  EXPECT_EQ(served.drained, 0);
  pair.exchange();
  EXPECT_EQ(served.drained, 1);
  EXPECT_EQ(served.closed, 1);
  EXPECT_EQ(served.why, Reason::none);
  EXPECT_FALSE(served.is_attached());
  EXPECT_EQ(request.heads, std::vector<std::string>{":status=200;server=Test;"});
  EXPECT_EQ(request.body, "hello, world");
  EXPECT_EQ(request.ends, 1);
  EXPECT_EQ(request.closed, 1);
  EXPECT_EQ(request.why, Reason::none);
  EXPECT_EQ(pair.client.session->content_received(), 12U);
  EXPECT_EQ(pair.server.session->content_sent(), 12U);
  EXPECT_EQ(pair.server.session->open_streams(), 0U);
  EXPECT_FALSE(pair.server.session->is_over());
}

TEST(H2Session, carries_informational_answers_then_the_final_one_and_trailers) {
  Pair pair;
  Stream request;
  ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
  ASSERT_TRUE(pair.client.session->send_trailers(request, Lines{{"x-sum", "1"}}));
  pair.exchange();
  Stream& served = pair.server.stream();
  EXPECT_EQ(served.trailers, "x-sum=1;");
  ASSERT_TRUE(pair.server.session->send_informational(served, Lines{{":status", "100"}}));
  ASSERT_TRUE(pair.server.session->send_informational(served, Lines{{":status", "103"}}));
  ASSERT_TRUE(pair.server.session->send_head(served, ok_lines, false));
  EXPECT_FALSE(pair.server.session->send_informational(served, Lines{{":status", "103"}}));
  EXPECT_FALSE(pair.server.session->send_head(served, ok_lines, false));
  const std::string_view body = "body";
  const std::array<base::Bytes, 1> pieces{base::as_bytes(body)};
  served.when_drained = [&] {
    if (served.drained > 1) return;
    EXPECT_TRUE(pair.server.session->send_trailers(served, Lines{{"Grpc-Status", "0"}}));
  };
  ASSERT_TRUE(pair.server.session->send_data(served, pieces, false));
  EXPECT_FALSE(pair.server.session->send_trailers(served, Lines{{"x", "y"}}))
      << "data is under way";
  pair.exchange();
  EXPECT_EQ(request.heads,
            (std::vector<std::string>{":status=100;", ":status=103;", ":status=200;server=Test;"}));
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.trailers, "grpc-status=0;");
  EXPECT_EQ(request.why, Reason::none);
  EXPECT_EQ(served.closed, 1);
  EXPECT_EQ(served.drained, 2);
}

TEST(H2Session, sends_the_pieces_behind_those_that_fill_a_frame_exactly) {
  Pair pair;
  Stream request;
  const std::string frame(16'384, 'f');
  const std::string rest = "rest";
  const std::array<base::Bytes, 3> pieces{base::as_bytes(frame).first(8'192),
                                          base::as_bytes(frame).subspan(8'192),
                                          base::as_bytes(rest)};
  ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
  ASSERT_TRUE(pair.client.session->send_data(request, pieces, true));
  pair.exchange();
  EXPECT_TRUE(pair.server.stream().body == frame + rest);
  EXPECT_EQ(pair.server.stream().ends, 1);
}

TEST(H2Session, says_that_an_end_has_left_also_when_it_waits_for_a_window) {
  H2Settings small;
  small.initial_window_bytes = 1000;
  for (const bool with_trailers : {false, true}) {
    Pair pair(small);
    pair.server.consumes = false;
    Stream request;
    const std::string content(1000, 'x');
    const std::array<base::Bytes, 1> pieces{base::as_bytes(content)};
    ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
    ASSERT_TRUE(pair.client.session->send_data(request, pieces, false));
    pair.exchange();
    EXPECT_EQ(request.drained, 1);
    if (with_trailers) {
      ASSERT_TRUE(pair.client.session->send_trailers(request, Lines{{"x-sum", "1"}}));
    } else {
      ASSERT_TRUE(pair.client.session->send_data(request, {}, true));
    }
    pair.exchange();
    Stream& served = pair.server.stream();
    EXPECT_EQ(request.drained, served.ends == 1 ? 2 : 1);
    pair.server.session->consumed(served, 1000);
    pair.exchange();
    EXPECT_EQ(request.drained, 2);
    EXPECT_EQ(served.ends, 1);
  }
}

// 300,000 bytes each way, through windows of 16 KiB, with buffers of any size.
TEST(H2Session, carries_bodies_larger_than_windows_and_buffers) {
  H2Settings small;
  small.initial_window_bytes = 16 * 1024;
  small.max_window_bytes = 32 * 1024;
  for (const std::size_t room : {64U, 1000U, 32U * 1024}) {
    Pair pair(small, small);
    std::string content(300'000, 'x');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 % 251);
    Stream request;
    ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
    const base::Bytes all = base::as_bytes(content);
    const std::array<base::Bytes, 3> pieces{all.first(1), all.subspan(1, 70'000),
                                            all.subspan(70'001)};
    ASSERT_TRUE(pair.client.session->send_data(request, pieces, true));
    pair.exchange(room);
    Stream& served = pair.server.stream();
    EXPECT_TRUE(served.body == content);
    EXPECT_EQ(served.ends, 1);
    ASSERT_TRUE(pair.server.session->send_head(served, ok_lines, false));
    ASSERT_TRUE(pair.server.session->send_data(served, pieces, true));
    pair.exchange(room);
    EXPECT_TRUE(request.body == content);
    EXPECT_EQ(request.closed, 1);
    EXPECT_EQ(request.why, Reason::none);
  }
}

TEST(H2Session, stops_sending_when_the_windows_are_full_and_goes_on_when_they_open) {
  H2Settings small;
  small.initial_window_bytes = 1000;
  Pair pair(small);
  pair.server.consumes = false;
  Stream request;
  const std::string content(3000, 'x');
  const std::array<base::Bytes, 1> pieces{base::as_bytes(content)};
  ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
  ASSERT_TRUE(pair.client.session->send_data(request, pieces, true));
  pair.exchange();
  Stream& served = pair.server.stream();
  EXPECT_EQ(served.body.size(), 1000U);
  EXPECT_EQ(request.drained, 0);
  pair.server.session->consumed(served, 1000);
  pair.exchange();
  EXPECT_EQ(served.body.size(), 3000U) << "and the window has grown to 2,000";
  EXPECT_EQ(request.drained, 1);
}

TEST(H2Session, forgets_data_of_a_stream_that_is_reset) {
  H2Settings small;
  small.initial_window_bytes = 1000;
  Pair pair(small);
  pair.server.consumes = false;
  auto request = std::make_unique<Stream>();
  auto content = std::make_unique<std::string>(3000, 'x');
  const std::array<base::Bytes, 1> pieces{base::as_bytes(*content)};
  ASSERT_TRUE(pair.client.session->open(*request, post_lines, false));
  ASSERT_TRUE(pair.client.session->send_data(*request, pieces, true));
  pair.exchange();
  pair.server.session->consumed(pair.server.stream(), 1000);
  pair.client.session->reset(*request, H2Error::cancel);
  content.reset();
  EXPECT_FALSE(pair.client.session->send_data(*request, {}, true));
  pair.exchange();
  EXPECT_EQ(request->closed, 1);
  EXPECT_EQ(request->why, Reason::none);
  EXPECT_EQ(pair.server.stream().why, Reason::h2_reset_by_peer);
  EXPECT_EQ(pair.server.stream().error, static_cast<std::uint32_t>(H2Error::cancel));
}

TEST(H2Session, tells_the_client_of_a_reset_and_of_a_refusal) {
  Pair pair;
  Stream request;
  ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
  pair.exchange();
  pair.server.session->reset(pair.server.stream(), H2Error::internal_error);
  pair.exchange();
  EXPECT_EQ(request.why, Reason::h2_reset_by_peer);
  EXPECT_EQ(request.error, static_cast<std::uint32_t>(H2Error::internal_error));
  EXPECT_EQ(pair.server.stream().why, Reason::none);
  pair.server.refuses = true;
  Stream refused;
  ASSERT_TRUE(pair.client.session->open(refused, get_lines, true));
  pair.exchange();
  EXPECT_EQ(refused.why, Reason::h2_unprocessed);
}

TEST(H2Session, resets_the_stream_of_an_object_that_ends) {
  Pair pair;
  auto request = std::make_unique<Stream>();
  ASSERT_TRUE(pair.client.session->open(*request, post_lines, false));
  pair.exchange();
  request.reset();
  EXPECT_EQ(pair.client.session->open_streams(), 0U);
  pair.exchange();
  EXPECT_EQ(pair.server.stream().why, Reason::h2_reset_by_peer);
  EXPECT_EQ(pair.server.stream().error, static_cast<std::uint32_t>(H2Error::cancel));
  // Also before its head was sent, and inside of an event.
  auto other = std::make_unique<Stream>();
  ASSERT_TRUE(pair.client.session->open(*other, post_lines, false));
  other.reset();
  auto third = std::make_unique<Stream>();
  ASSERT_TRUE(pair.client.session->open(*third, get_lines, true));
  pair.server.when_new = [&](Stream& stream) {
    stream.when_head = [&] { EXPECT_TRUE(stream.session()->send_head(stream, ok_lines, true)); };
  };
  third->when_closed = [&] { third.reset(); };
  pair.exchange();
  EXPECT_EQ(third, nullptr);
  EXPECT_EQ(pair.client.session->may_open(), 128U);
}

TEST(H2Session, takes_back_streams_behind_a_goaway) {
  Pair pair;
  Stream first, second;
  ASSERT_TRUE(pair.client.session->open(first, post_lines, false));
  pair.exchange();
  pair.server.session->refuse_new_streams();
  ASSERT_TRUE(pair.client.session->open(second, get_lines, true));
  EXPECT_EQ(pair.client.give(pair.server.take()), Reason::none);
  EXPECT_EQ(pair.client.goaway_last, 1);
  EXPECT_EQ(pair.client.session->may_open(), 0U);
  pair.exchange();
  EXPECT_EQ(second.why, Reason::h2_unprocessed);
  EXPECT_EQ(first.closed, 0);
  EXPECT_FALSE(pair.server.session->is_over());
  Stream& served = pair.server.stream();
  ASSERT_TRUE(pair.server.session->send_head(served, ok_lines, true));
  ASSERT_TRUE(pair.client.session->send_data(first, {}, true));
  pair.exchange();
  EXPECT_EQ(first.why, Reason::none);
  EXPECT_TRUE(pair.server.session->is_over());
  EXPECT_TRUE(pair.client.session->is_over());
}

TEST(H2Session, announces_its_end_and_takes_streams_until_then) {
  Pair pair;
  pair.server.session->announce_shutdown();
  pair.exchange();
  EXPECT_EQ(pair.client.goaway_last, 0x7fff'ffff);
  EXPECT_EQ(pair.server.give(h2::head(1, h2::get(), true)), Reason::none);
  EXPECT_EQ(pair.server.streams.size(), 1U);
}

TEST(H2Session, terminates_when_told_to) {
  Server server;
  ASSERT_EQ(server.give(h2::head(1, h2::post(), false)), Reason::none);
  server.session->terminate(H2Error::no_error);
  EXPECT_EQ(server.stream().closed, 0) << "not from inside of the call";
  const auto frames = h2::frames_of(server.take());
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].type, h2::goaway);
  EXPECT_EQ(server.stream().closed, 1);
  EXPECT_EQ(server.stream().why, Reason::none);
  EXPECT_TRUE(server.session->is_over());
}

TEST(H2Session, answers_pings_and_hears_answers) {
  Pair pair;
  pair.client.session->ping();
  pair.server.session->ping();
  pair.exchange();
  EXPECT_EQ(pair.client.pongs, 1);
  EXPECT_EQ(pair.server.pongs, 1);
}

TEST(H2Session, offers_what_its_settings_say) {
  H2Settings settings;
  settings.max_concurrent_streams = 7;
  settings.initial_window_bytes = 70'000;
  settings.headers_bytes = 1234;
  settings.max_window_bytes = 1 << 20;
  Server server(settings);
  EXPECT_EQ(setting(server.opening, 3), 7U);
  EXPECT_EQ(setting(server.opening, 4), 70'000U);
  EXPECT_EQ(setting(server.opening, 6), 1234U);
  EXPECT_EQ(setting(server.opening, 8), 1U);
  EXPECT_EQ(setting(server.opening, 9), 1U);
  for (const h2::Frame& frame : server.opening) {
    if (frame.type != h2::window_update) continue;
    EXPECT_EQ(frame.stream, 0U);
    EXPECT_EQ(frame.number_at(0), 2 * (7 * 70'000 + (2U << 20)) - 65'535)
        << "twice that of all streams";
  }
  EXPECT_EQ(count(server.opening, h2::window_update), 1);
  settings.extended_connect = false;
  EXPECT_EQ(setting(Server(settings).opening, 8), ~0U);
  Client client(settings);
  EXPECT_EQ(setting(client.opening, 2), 0U) << "no push";
  EXPECT_EQ(setting(client.opening, 8), ~0U);
  EXPECT_FALSE(client.session->peer_takes_extended_connect());
}

// --- windows

TEST(H2Session, doubles_the_window_of_a_stream_whose_consumer_keeps_up) {
  H2Settings settings;
  settings.initial_window_bytes = 1000;
  settings.max_window_bytes = 3000;
  Server server(settings);
  ASSERT_EQ(server.give(h2::head(1, h2::post(), false)), Reason::none);
  const auto granted = [&](std::size_t bytes) {
    EXPECT_EQ(server.give(h2::frame(h2::data, 0, 1, std::string(bytes, 'x'))), Reason::none);
    std::uint32_t total = 0;
    for (const h2::Frame& frame : h2::frames_of(server.take())) {
      if (frame.type == h2::window_update && frame.stream == 1) total += frame.number_at(0);
    }
    return total;
  };
  EXPECT_EQ(granted(1000), 2000U);
  EXPECT_EQ(granted(2000), 3000U);
  EXPECT_EQ(granted(3000), 3000U) << "no more than max_window_bytes";
  server.stream().consumes = false;
  EXPECT_EQ(granted(3000), 0U);
}

TEST(H2Session, widens_no_window_beyond_its_streams_own_bound) {
  H2Settings settings;
  settings.initial_window_bytes = 1000;
  settings.max_window_bytes = 8000;
  Server server(settings);
  for (const std::uint32_t id : {1U, 3U}) {
    ASSERT_EQ(server.give(h2::head(id, h2::post(), false)), Reason::none);
  }
  server.session->bound_window(*server.streams.at(0), 2000);
  const auto granted = [&](std::uint32_t id, std::size_t bytes) {
    EXPECT_EQ(server.give(h2::frame(h2::data, 0, id, std::string(bytes, 'x'))), Reason::none);
    std::uint32_t total = 0;
    for (const h2::Frame& frame : h2::frames_of(server.take())) {
      if (frame.type == h2::window_update && frame.stream == id) total += frame.number_at(0);
    }
    return total;
  };
  EXPECT_EQ(granted(1, 1000), 2000U);
  EXPECT_EQ(granted(1, 2000), 2000U) << "so it stays";
  EXPECT_EQ(granted(3, 1000), 2000U);
  EXPECT_EQ(granted(3, 2000), 4000U) << "another stream is not bound";
}

// The windows that streams were given together are less than the connection's, whatever they grew
// to: consumers that stop hold their own streams back and no other.
TEST(H2Session, streams_that_nobody_reads_leave_the_others_their_windows) {
  H2Settings settings;
  settings.initial_window_bytes = 65'536;
  settings.max_window_bytes = 1 << 20;
  settings.max_concurrent_streams = 10;
  Server server(settings);
  const std::string content(16'384, 'x');
  std::map<std::uint32_t, std::int64_t> window;
  std::int64_t connection = 65'535;
  std::int64_t widest = 0;
  const auto look = [&](const std::vector<h2::Frame>& sent) {
    for (const h2::Frame& frame : sent) {
      if (frame.type != h2::window_update) continue;
      if (frame.stream == 0) connection += frame.number_at(0);
      if (frame.stream != 0) window[frame.stream] += frame.number_at(0);
      if (frame.stream != 0) widest = std::max(widest, window[frame.stream]);
    }
  };
  look(server.opening);
  const auto give = [&](std::uint32_t id) {
    const auto bytes = static_cast<std::int64_t>(content.size());
    if (window[id] < bytes) return false;
    EXPECT_GE(connection, bytes) << "stream " << id << " may send, the connection may not";
    window[id] -= bytes;
    connection -= bytes;
    EXPECT_EQ(server.give(h2::frame(h2::data, 0, id, content)), Reason::none);
    look(h2::frames_of(server.take()));
    return connection >= bytes;
  };
  for (std::uint32_t id = 1; id < 20; id += 2) {
    ASSERT_EQ(server.give(h2::head(id, h2::post(), false)), Reason::none);
    window[id] = 65'536;
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(give(id));  // grows, as long as it may
  }
  EXPECT_GT(widest, 1'000'000);
  for (std::size_t i = 0; i < 9; ++i) server.streams.at(i)->consumes = false;
  for (std::uint32_t id = 1; id < 18; id += 2) {
    while (give(id)) {
    }
  }
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(give(19)) << "the one that is read";
}

// Whatever becomes of content: the connection's window comes back.
TEST(H2Session, never_leaks_the_window_of_the_connection) {
  H2Settings settings;
  settings.initial_window_bytes = 40'000;
  settings.max_window_bytes = 40'000;
  settings.max_concurrent_streams = 2;  // so the connection has 320,000
  settings.provoked_resets = 0;
  settings.resets = 0;
  const std::string kilobyte(1000, 'x');
  const std::string padded = h2::number(99, 1) + std::string(900, 'x') + std::string(99, '\0');
  enum Way { reset_by_us, reset_by_peer, destroyed, refused, malformed, over_length, pads, ended };
  for (const Way way :
       {reset_by_us, reset_by_peer, destroyed, refused, malformed, over_length, pads, ended}) {
    SCOPED_TRACE(way);
    Server server(settings);
    server.consumes = way == pads;
    server.refuses = way == refused;
    std::int64_t granted = 320'000;
    for (std::uint32_t id = 1; id < 401; id += 2) {  // 200 streams of 10,000 bytes
      h2::Lines lines = h2::post();
      if (way == malformed) lines.push_back({"connection", "close"});
      if (way == over_length) lines.push_back({"content-length", "2500"});
      ASSERT_EQ(server.give(h2::head(id, lines, false)), Reason::none);
      for (int i = 0; i < 10; ++i) {
        if (i == 5 && way == reset_by_us) {
          server.session->reset(server.stream(server.streams.size() - 1), H2Error::cancel);
        }
        if (i == 5 && way == destroyed) server.streams.clear();
        const std::string& payload = way == pads ? padded : kilobyte;
        granted -= static_cast<std::int64_t>(payload.size());
        ASSERT_GE(granted, 0) << "leaked at stream " << id;
        const bool last = i == 9 && (way == ended || way == pads);
        ASSERT_EQ(server.give(h2::frame(h2::data,
                                        static_cast<std::uint8_t>((way == pads ? h2::padded : 0) |
                                                                  (last ? h2::end_stream : 0)),
                                        id, payload)),
                  Reason::none);
        for (const h2::Frame& frame : h2::frames_of(server.take())) {
          if (frame.type == h2::window_update && frame.stream == 0) granted += frame.number_at(0);
        }
      }
      if (way == reset_by_peer) {
        ASSERT_EQ(server.give(h2::frame(h2::rst_stream, 0, id, h2::number(8))), Reason::none);
      }
      if (way == ended || way == pads) {
        Stream& stream = server.stream(server.streams.size() - 1);
        EXPECT_EQ(stream.ends, 1);
        EXPECT_TRUE(server.session->send_head(stream, ok_lines, true));
      }
      for (const h2::Frame& frame : h2::frames_of(server.take())) {
        if (frame.type == h2::window_update && frame.stream == 0) granted += frame.number_at(0);
      }
    }
    EXPECT_GE(granted, 160'000) << "WINDOW_UPDATE comes when half is consumed";
    EXPECT_EQ(server.session->open_streams(), 0U);
  }
}

// --- malformed messages

TEST(H2Session, resets_streams_whose_head_is_malformed_and_serves_others) {
  Server server;
  const std::vector<h2::Lines> malformed{
      h2::with(h2::get(), {{"Upper", "x"}}),
      h2::with(h2::get(), {{"connection", "close"}}),
      h2::with(h2::get(), {{"transfer-encoding", "chunked"}}),
      h2::with(h2::get(), {{"x", "a\nb"}}),
      h2::with(h2::get(), {{"x y", "a"}}),
      h2::with(h2::get(), {{":late", "a"}}),
      h2::with({{"early", "a"}}, h2::get()),
      {{":method", "GET"}, {":scheme", "http"}},
      h2::with(h2::get(), {{"content-length", "1"}}),
      h2::with(h2::get(), {{"te", "gzip"}}),
  };
  std::uint32_t id = 1;
  for (const h2::Lines& lines : malformed) {
    SCOPED_TRACE(h2::block(lines));
    ASSERT_EQ(server.give(h2::head(id, lines, true)), Reason::none);
    Stream& stream = *server.streams.back();
    EXPECT_TRUE(stream.heads.empty());
    EXPECT_EQ(stream.closed, 1);
    EXPECT_EQ(stream.why, Reason::h2_stream_error);
    EXPECT_EQ(stream.error, static_cast<std::uint32_t>(H2Error::protocol_error));
    const auto frames = h2::frames_of(server.take());
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, h2::rst_stream);
    EXPECT_EQ(frames[0].stream, id);
    id += 2;
  }
  ASSERT_EQ(server.give(h2::head(id, h2::get(), true)), Reason::none);
  EXPECT_EQ(server.streams.back()->ends, 1);
}

TEST(H2Session, resets_streams_whose_content_is_not_as_long_as_announced) {
  Server server;
  for (const std::string_view content : {"1234", "123456"}) {
    const std::uint32_t id = content.size() == 4 ? 1 : 3;
    ASSERT_EQ(server.give(h2::head(id, h2::with(h2::post(), {{"content-length", "5"}}), false) +
                          h2::frame(h2::data, h2::end_stream, id, content)),
              Reason::none);
    EXPECT_EQ(server.streams.back()->why, Reason::h2_stream_error);
    EXPECT_EQ(server.streams.back()->ends, 0);
  }
  // An answer to HEAD, and one of 304, have a length and no content.
  Client client;
  Stream head, conditional;
  Lines head_lines = get_lines;
  head_lines[0].value = "HEAD";
  ASSERT_TRUE(client.session->open(head, head_lines, true));
  ASSERT_TRUE(client.session->open(conditional, get_lines, true));
  (void)client.take();
  ASSERT_EQ(client.give(h2::head(1, {{":status", "200"}, {"content-length", "5"}}, true) +
                        h2::head(3, {{":status", "304"}, {"content-length", "5"}}, true)),
            Reason::none);
  EXPECT_EQ(head.ends, 1);
  EXPECT_EQ(conditional.ends, 1);
}

// --- limits of heads

TEST(H2Session, tells_which_limit_a_head_passed_and_keeps_decoding) {
  H2Settings settings;
  settings.field_bytes = 100;
  settings.headers_bytes = 1000;
  settings.header_count = 5;
  settings.cookie_crumbs = 3;
  const auto repeated = [](std::string_view name, int times, std::size_t size) {
    h2::Lines lines = h2::get();
    for (int i = 0; i < times; ++i) lines.push_back({std::string(name), std::string(size, 'v')});
    return lines;
  };
  const std::vector<std::pair<h2::Lines, Reason>> cases{
      {repeated("x", 5, 10), Reason::none},
      {repeated("x", 6, 10), Reason::too_many_headers},
      {repeated("cookie", 3, 10), Reason::none},
      {repeated("cookie", 4, 10), Reason::too_many_cookie_crumbs},
      {repeated("x", 1, 99), Reason::none},
      {repeated("x", 1, 100), Reason::header_too_large},
      {h2::get("/" + std::string(100, 'p')), Reason::header_too_large},
      {[] {
         h2::Lines lines = h2::get();
         for (int i = 0; i < 5; ++i) lines.push_back({"x", std::string(99, 'v')});
         for (int i = 0; i < 3; ++i) lines.push_back({"cookie", std::string(90, 'v')});
         return lines;
       }(),
       Reason::headers_too_large},
  };
  Server server(settings);
  std::uint32_t id = 1;
  for (const auto& [lines, reason] : cases) {
    ASSERT_EQ(server.give(h2::head(id, lines, true)), Reason::none);
    Stream& stream = *server.streams.back();
    ASSERT_EQ(stream.heads.size(), 1U);
    EXPECT_EQ(observe::text(stream.defect), observe::text(reason));
    EXPECT_LE(stream.head.all().size(), 12U);
    id += 2;
  }
}

TEST(H2Session, ends_the_connection_when_a_head_is_enormous) {
  H2Settings settings;
  settings.headers_bytes = 1000;
  Server server(settings);
  h2::Lines lines = h2::get();
  for (int i = 0; i < 100; ++i) lines.push_back({"x", "y"});
  ASSERT_EQ(server.give(h2::head(1, lines, true)), Reason::none);
  EXPECT_EQ(server.stream().defect, Reason::headers_too_large);
  for (int i = 0; i < 30; ++i) lines.push_back({"x", "y"});
  const Reason result = server.give(h2::head(3, lines, true));
  expect_end(server, result, Reason::headers_too_large, H2Error::enhance_your_calm);
  EXPECT_EQ(server.stream(1).why, Reason::headers_too_large);
}

TEST(H2Session, resets_a_stream_whose_trailers_pass_a_limit) {
  H2Settings settings;
  settings.header_count = 2;
  Server server(settings);
  ASSERT_EQ(server.give(h2::head(1, h2::post(), false) +
                        h2::head(1, {{"a", "1"}, {"b", "2"}, {"c", "3"}}, true)),
            Reason::none);
  EXPECT_EQ(server.stream().why, Reason::too_many_headers);
  EXPECT_EQ(server.stream().ends, 0);
  EXPECT_EQ(server.stream().error, static_cast<std::uint32_t>(H2Error::enhance_your_calm));
}

// --- abuse

struct Abuse {
  const char* name;
  Reason reason;
  std::uint32_t H2Settings::* limit;
  std::function<std::string(std::uint32_t)> one;  // the frames of the i-th
};
std::vector<Abuse> abuses() {
  return {
      {"resets", Reason::h2_too_many_resets, &H2Settings::resets,
       [](std::uint32_t i) {
         return h2::head(2 * i + 3, h2::get(), true) +
                h2::frame(h2::rst_stream, 0, 2 * i + 3, h2::number(8));
       }},
      {"provoked resets", Reason::h2_too_many_provoked_resets, &H2Settings::provoked_resets,
       [](std::uint32_t i) {
         return h2::head(2 * i + 3, h2::post(), false) +
                h2::frame(h2::window_update, 0, 2 * i + 3, h2::number(0x7fff'ffff));
       }},
      {"settings", Reason::h2_too_many_settings, &H2Settings::settings,
       [](std::uint32_t) { return h2::frame(h2::settings, 0, 0); }},
      {"pings", Reason::h2_too_many_pings, &H2Settings::pings,
       [](std::uint32_t) { return h2::frame(h2::ping, 0, 0, "12345678"); }},
      {"priority", Reason::h2_too_many_priority_updates, &H2Settings::priority_updates,
       [](std::uint32_t) { return h2::frame(h2::priority, 0, 1, std::string(5, '\0')); }},
      {"priority updates", Reason::h2_too_many_priority_updates, &H2Settings::priority_updates,
       [](std::uint32_t) { return h2::frame(h2::priority_update, 0, 0, h2::number(1) + "u=3"); }},
      {"empty data", Reason::h2_too_many_empty_data, &H2Settings::empty_data,
       [](std::uint32_t) { return h2::frame(h2::data, 0, 1); }},
      {"padding only", Reason::h2_too_many_empty_data, &H2Settings::empty_data,
       [](std::uint32_t) {
         return h2::frame(h2::data, h2::padded, 1, h2::number(2, 1) + std::string(2, '\0'));
       }},
      {"window updates", Reason::h2_too_many_window_updates, &H2Settings::window_updates,
       [](std::uint32_t) { return h2::frame(h2::window_update, 0, 0, h2::number(1)); }},
      {"too many fields", Reason::h2_too_many_refused_heads, &H2Settings::refused_heads,
       [](std::uint32_t i) {
         h2::Lines lines = h2::get();
         for (int field = 0; field < 101; ++field) lines.push_back({"x", "a"});
         return h2::head(2 * i + 3, lines, true) +
                h2::frame(h2::rst_stream, 0, 2 * i + 3, h2::number(8));
       }},
      {"crumbs of Cookie", Reason::h2_too_many_refused_heads, &H2Settings::refused_heads,
       [](std::uint32_t i) {
         h2::Lines lines = h2::get();
         for (int crumb = 0; crumb < 100; ++crumb) lines.push_back({"cookie", "a"});
         return h2::head(2 * i + 3, lines, true) +
                h2::frame(h2::rst_stream, 0, 2 * i + 3, h2::number(8));
       }},
  };
}

TEST(H2Session, ends_the_connection_of_a_peer_that_passes_a_limit) {
  for (const Abuse& abuse : abuses()) {
    SCOPED_TRACE(abuse.name);
    H2Settings settings;
    settings.resets = 0;
    settings.*abuse.limit = 20;
    Server server(settings);
    ASSERT_EQ(server.give(h2::head(1, h2::post(), false)), Reason::none);
    // The session's own SETTINGS were answered: two SETTINGS frames came before.
    const std::uint32_t before = abuse.reason == Reason::h2_too_many_settings ? 2 : 0;
    for (std::uint32_t i = before; i < 20; ++i) {
      ASSERT_EQ(server.give(abuse.one(i)), Reason::none) << i;
      (void)server.take();
    }
    // Where the window of time is over, all begins anew.
    server.now += settings.abuse_window;
    for (std::uint32_t i = 20; i < 40; ++i) {
      ASSERT_EQ(server.give(abuse.one(i)), Reason::none) << i;
    }
    const Reason result = server.give(abuse.one(40));
    expect_end(server, result, abuse.reason, H2Error::enhance_your_calm);
    EXPECT_EQ(server.stream().why, abuse.reason);
  }
}

TEST(H2Session, has_no_limit_where_it_is_nought) {
  for (const Abuse& abuse : abuses()) {
    SCOPED_TRACE(abuse.name);
    H2Settings settings;
    settings.resets = 0;
    settings.*abuse.limit = 0;
    Server server(settings);
    ASSERT_EQ(server.give(h2::head(1, h2::post(), false)), Reason::none);
    for (std::uint32_t i = 0; i < 2000; ++i) {
      ASSERT_EQ(server.give(abuse.one(i)), Reason::none) << i;
      (void)server.take();
    }
  }
}

TEST(H2Session, counts_malformed_heads_as_provoked_resets) {
  H2Settings settings;
  settings.provoked_resets = 3;
  Server server(settings);
  Reason result = Reason::none;
  std::uint32_t id = 1;
  for (; result == Reason::none && id < 100; id += 2) {
    result = server.give(h2::head(id, h2::with(h2::get(), {{"connection", "x"}}), true));
  }
  EXPECT_EQ(id, 9U);
  expect_end(server, result, Reason::h2_too_many_provoked_resets, H2Error::enhance_your_calm);
}

TEST(H2Session, does_not_count_its_own_resets_against_the_peer) {
  H2Settings settings;
  settings.provoked_resets = 3;
  Server server(settings);
  for (std::uint32_t id = 1; id < 100; id += 2) {
    server.refuses = id % 4 == 1;
    ASSERT_EQ(server.give(h2::head(id, h2::post(), false)), Reason::none);
    if (!server.refuses) server.session->reset(*server.streams.back(), H2Error::cancel);
    EXPECT_EQ(count(h2::frames_of(server.take()), h2::rst_stream), 1);
  }
}

TEST(H2Session, buys_window_updates_with_content_that_it_sent) {
  H2Settings settings;
  settings.window_updates = 10;
  Server server(settings);
  ASSERT_EQ(server.give(h2::head(1, h2::get(), true)), Reason::none);
  const std::string content(20'000, 'x');
  const std::array<base::Bytes, 1> pieces{base::as_bytes(content)};
  ASSERT_TRUE(server.session->send_head(server.stream(), ok_lines, false));
  ASSERT_TRUE(server.session->send_data(server.stream(), pieces, false));
  (void)server.take();
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(server.give(h2::frame(h2::window_update, 0, 0, h2::number(1))), Reason::none);
  }
  EXPECT_EQ(server.give(h2::frame(h2::window_update, 0, 0, h2::number(1))),
            Reason::h2_too_many_window_updates);
}

TEST(H2Session, ends_the_connection_when_a_head_comes_in_too_many_frames) {
  H2Settings settings;
  settings.continuations = 3;
  for (const int continuations : {3, 4}) {
    for (const bool is_refused : {false, true}) {
      Server server(settings);
      server.refuses = is_refused;
      std::string bytes = h2::frame(h2::headers, h2::end_stream, 1, h2::block(h2::get()));
      for (int i = 1; i < continuations; ++i) bytes += h2::frame(h2::continuation, 0, 1);
      bytes += h2::frame(h2::continuation, h2::end_headers, 1);
      Reason result = Reason::none;
      for (const char byte : bytes) result = server.give({&byte, 1});
      if (continuations == 3) {
        EXPECT_EQ(result, Reason::none);
      } else {
        expect_end(server, result, Reason::h2_too_many_continuations, H2Error::enhance_your_calm);
      }
    }
  }
}

// What nghttp2 only decodes, for its stream is malformed or came behind our GOAWAY.
TEST(H2Session, bounds_field_blocks_that_are_ignored) {
  H2Settings settings;
  settings.continuations = 3;
  settings.headers_bytes = 1000;
  const std::string malformed = h2::block(h2::with(h2::get(), {{"Upper", "x"}}));
  for (const bool is_behind_goaway : {false, true}) {
    for (const bool is_large : {false, true}) {
      SCOPED_TRACE(testing::Message() << is_behind_goaway << is_large);
      Server server(settings);
      if (is_behind_goaway) {
        server.session->refuse_new_streams();
        (void)server.take();
      }
      const std::string rest = is_large ? std::string(4100, '\x82') : std::string();
      std::string bytes = h2::frame(h2::headers, h2::end_stream, 1, malformed + rest);
      if (!is_large) {
        for (int i = 0; i < 4; ++i) bytes += h2::frame(h2::continuation, 0, 1);
      }
      expect_end(server, server.give(bytes),
                 is_large ? Reason::headers_too_large : Reason::h2_too_many_continuations,
                 H2Error::enhance_your_calm);
    }
  }
}

TEST(H2Session, holds_the_limits_also_for_blocks_of_streams_that_it_refuses) {
  H2Settings settings;
  settings.headers_bytes = 1000;
  settings.refused_heads = 3;
  h2::Lines large = h2::get();
  for (int i = 0; i < 60; ++i) large.push_back({"x", "y"});
  h2::Lines enormous = large;
  for (int i = 0; i < 90; ++i) enormous.push_back({"x", "y"});
  {
    Server server(settings);
    server.refuses = true;
    Reason result = Reason::none;
    std::uint32_t id = 1;
    for (; result == Reason::none && id < 100; id += 2) {
      result = server.give(h2::head(id, large, true));
      if (result == Reason::none) {
        EXPECT_EQ(count(h2::frames_of(server.take()), h2::rst_stream), 1);
      }
    }
    EXPECT_EQ(id, 9U);
    expect_end(server, result, Reason::h2_too_many_refused_heads, H2Error::enhance_your_calm);
  }
  Server server(settings);
  server.refuses = true;
  expect_end(server, server.give(h2::head(1, enormous, true)), Reason::headers_too_large,
             H2Error::enhance_your_calm);
}

TEST(H2Session, counts_trailers_that_are_too_large_as_refused) {
  H2Settings settings;
  settings.header_count = 2;
  settings.refused_heads = 1;
  Server server(settings);
  const h2::Lines trailers{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  ASSERT_EQ(server.give(h2::head(1, h2::post(), false) + h2::head(1, trailers, true)),
            Reason::none);
  expect_end(server, server.give(h2::head(3, h2::post(), false) + h2::head(3, trailers, true)),
             Reason::h2_too_many_refused_heads, H2Error::enhance_your_calm);
}

TEST(H2Session, holds_few_frames_for_a_peer_that_never_reads) {
  for (const Abuse& abuse : abuses()) {
    if (abuse.reason != Reason::h2_too_many_pings && abuse.reason != Reason::h2_too_many_settings &&
        abuse.reason != Reason::h2_too_many_provoked_resets) {
      continue;
    }
    SCOPED_TRACE(abuse.name);
    H2Settings settings;
    settings.*abuse.limit = 0;
    Server server(settings);
    Reason result = Reason::none;
    std::uint32_t i = 0;
    for (; i < 20'000 && result == Reason::none; ++i) result = server.give(abuse.one(i));
    EXPECT_LT(server.take().size(), 100'000U);
    // Streams that wait for their resets count as open, and the peer opened too many.
    const Reason reason = abuse.reason == Reason::h2_too_many_provoked_resets
                              ? Reason::h2_protocol_error
                              : abuse.reason;
    EXPECT_EQ(observe::text(server.session->failure()), observe::text(reason));
    // And when all come in one read.
    Server other(settings);
    std::string bytes;
    for (std::uint32_t j = 0; j < 20'000; ++j) bytes += abuse.one(j);
    EXPECT_EQ(observe::text(other.give(bytes)), observe::text(reason));
    EXPECT_LT(other.take().size(), 100'000U);
  }
}

// A peer that never reads cannot make heads pile up by asking for ever: streams stay open.
TEST(H2Session, holds_few_heads_for_a_peer_that_never_reads) {
  Server server;
  server.when_new = [](Stream& stream) {
    stream.when_end = [&stream] {
      EXPECT_TRUE(stream.session()->send_head(stream, ok_lines, true));
    };
  };
  for (std::uint32_t id = 1; id < 40'000; id += 2) {
    if (server.give(h2::head(id, h2::get(), true)) != Reason::none) break;
  }
  EXPECT_LT(server.take().size(), 200'000U);
}

// --- broken rules of the connection

TEST(H2Session, ends_the_connection_when_its_rules_are_broken) {
  const std::string settings = std::string(h2::preface) + h2::frame(h2::settings, 0, 0);
  struct Case {
    std::string bytes;
    Reason reason;
    H2Error error;
  };
  const std::vector<Case> cases{
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::h2_protocol_error, H2Error::protocol_error},
      {std::string(h2::preface) + h2::frame(h2::ping, 0, 0, "12345678"), Reason::h2_protocol_error,
       H2Error::protocol_error},
      {settings + h2::frame(h2::data, 0, 1, "x"), Reason::h2_protocol_error,
       H2Error::protocol_error},
      {settings + h2::frame(h2::rst_stream, 0, 1, h2::number(8)), Reason::h2_protocol_error,
       H2Error::protocol_error},
      {settings + h2::head(2, h2::get(), true), Reason::h2_protocol_error, H2Error::protocol_error},
      {settings + h2::frame(h2::continuation, 4, 1), Reason::h2_protocol_error,
       H2Error::protocol_error},
      {settings + h2::frame(h2::push_promise, 4, 1, h2::number(2) + h2::block(h2::get())),
       Reason::h2_protocol_error, H2Error::protocol_error},
      {settings + h2::frame(h2::ping, 0, 0, "123"), Reason::h2_frame_size_error,
       static_cast<H2Error>(6)},
      {settings + h2::frame(99, 0, 0, std::string(16'385, 'x')), Reason::h2_frame_size_error,
       static_cast<H2Error>(6)},
      {settings + h2::frame(h2::headers, 5, 1, "\xff\xff\xff\xff\xff\xff"),
       Reason::h2_compression_error, H2Error::compression_error},
      {settings + h2::frame(h2::window_update, 0, 0, h2::number(0x7fff'ffff)),
       Reason::h2_flow_control_error, H2Error::flow_control_error},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(testing::PrintToString(wrong.bytes.substr(0, 100)));
    End server(H2Session::Role::server);
    const Reason result = server.give(wrong.bytes);
    EXPECT_EQ(observe::text(result), observe::text(wrong.reason));
    const auto frames = h2::frames_of(server.take());
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames.back().type, h2::goaway);
    EXPECT_EQ(frames.back().number_at(4), static_cast<std::uint32_t>(wrong.error));
    EXPECT_TRUE(server.session->is_over());
    for (const auto& stream : server.streams) EXPECT_EQ(stream->closed, 1);
  }
}

// The connection's own is more than the sum of all: beyond it is beyond one of them.
TEST(H2Session, ends_a_stream_when_its_peer_sends_beyond_its_window) {
  H2Settings settings;
  settings.initial_window_bytes = 50'000;
  settings.max_window_bytes = 50'000;
  Server server(settings);
  server.consumes = false;
  const std::string much(10'000, 'x');
  ASSERT_EQ(server.give(h2::head(1, h2::post(), false)), Reason::none);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(server.give(h2::frame(h2::data, 0, 1, much)), Reason::none);
  }
  EXPECT_EQ(count(h2::frames_of(server.take()), h2::rst_stream), 0);
  ASSERT_EQ(server.give(h2::frame(h2::data, 0, 1, much)), Reason::none);
  const auto frames = h2::frames_of(server.take());
  ASSERT_EQ(count(frames, h2::rst_stream), 1);
  for (const h2::Frame& frame : frames) {
    if (frame.type != h2::rst_stream) continue;
    EXPECT_EQ(frame.stream, 1U);
    EXPECT_EQ(frame.number_at(0), static_cast<std::uint32_t>(H2Error::flow_control_error));
  }
  EXPECT_EQ(server.stream().closed, 1);
  EXPECT_EQ(server.give(h2::head(3, h2::get(), true)), Reason::none) << "others go on";
}

TEST(H2Session, refuses_push_and_ignores_what_it_does_not_know) {
  Client client;
  Stream request;
  ASSERT_TRUE(client.session->open(request, get_lines, true));
  (void)client.take();
  ASSERT_EQ(client.give(h2::frame(h2::altsvc, 0, 0, "ab") + h2::frame(12, 0, 0, "xyz") +
                        h2::frame(0x77, 0xff, 5, "anything")),
            Reason::none);
  const Reason result =
      client.give(h2::frame(h2::push_promise, 4, 1, h2::number(2) + h2::block(h2::get())));
  expect_end(client, result, Reason::h2_protocol_error, H2Error::protocol_error);
  EXPECT_EQ(request.why, Reason::h2_protocol_error);
}

// --- order

TEST(H2Session, sends_the_urgent_stream_first) {
  Server server;
  ASSERT_EQ(server.give(h2::head(1, h2::with(h2::get(), {{"priority", "u=5"}}), true) +
                        h2::head(3, h2::with(h2::get(), {{"priority", "u=1"}}), true) +
                        h2::head(5, h2::get(), true) +
                        h2::frame(h2::priority_update, 0, 0, h2::number(5) + "u=0")),
            Reason::none);
  const std::string content(30'000, 'x');
  const std::array<base::Bytes, 1> pieces{base::as_bytes(content)};
  const std::string settings = h2::frame(h2::window_update, 0, 0, h2::number(1'000'000));
  ASSERT_EQ(server.give(settings), Reason::none);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(server.session->send_head(server.stream(i), ok_lines, false));
    ASSERT_TRUE(server.session->send_data(server.stream(i), pieces, true));
  }
  std::vector<std::uint32_t> order;
  for (const h2::Frame& frame : h2::frames_of(server.take())) {
    if (frame.type == h2::data && (order.empty() || order.back() != frame.stream)) {
      order.push_back(frame.stream);
    }
  }
  EXPECT_EQ(order, (std::vector<std::uint32_t>{5, 3, 1}));
}

TEST(H2Session, lets_events_use_the_session) {
  Pair pair;
  pair.server.when_new = [](Stream& stream) {
    stream.when_head = [&stream] { stream.session()->reset(stream, H2Error::refused_stream); };
  };
  Stream first;
  Stream second;
  first.when_closed = [&] { EXPECT_TRUE(pair.client.session->open(second, get_lines, true)); };
  ASSERT_TRUE(pair.client.session->open(first, post_lines, false));
  pair.exchange();
  EXPECT_EQ(first.why, Reason::h2_unprocessed);
  EXPECT_EQ(second.why, Reason::h2_unprocessed);
  EXPECT_EQ(pair.server.stream().ends, 0);
  pair.server.when_new = [&](Stream& stream) {
    stream.when_head = [&] { pair.server.session->terminate(H2Error::no_error); };
  };
  Stream third;
  ASSERT_TRUE(pair.client.session->open(third, get_lines, true));
  pair.exchange();
  EXPECT_TRUE(pair.server.session->is_over());
}

TEST(H2Session, detaches_streams_when_it_ends_first) {
  Stream request;
  {
    Pair pair;
    ASSERT_TRUE(pair.client.session->open(request, post_lines, false));
    pair.exchange();
  }
  EXPECT_FALSE(request.is_attached());
  EXPECT_EQ(request.closed, 0);
}

TEST(H2Session, takes_bytes_one_by_one) {
  End server(H2Session::Role::server);
  const std::string bytes = std::string(h2::preface) + h2::frame(h2::settings, 0, 0) +
                            h2::head(1, h2::post(), false) + h2::frame(h2::data, 0, 1, "abc") +
                            h2::head(1, {{"t", "1"}}, true);
  for (const char byte : bytes) ASSERT_EQ(server.give({&byte, 1}), Reason::none);
  EXPECT_EQ(server.stream().body, "abc");
  EXPECT_EQ(server.stream().trailers, "t=1;");
}

}  // namespace
}  // namespace sluice::http
