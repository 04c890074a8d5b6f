// A session with a peer that sends anything: no event comes for a stream that has ended, every
// stream is told of its end once, no more is held than windows allow, what waits to go out stays
// bounded, and a failed session says one GOAWAY and then nothing.
//
// The first byte chooses the role, and what the owner does; the rest is given in pieces.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "property.h"
#include "sluice/http/h2_session.h"

namespace {

using namespace sluice::http;
using sluice::base::Bytes;
using sluice::fuzz::require;
using sluice::observe::Reason;

constexpr std::size_t most_bytes_out = 1024 * 1024;
constexpr std::array<H2Session::Line, 2> answer{{{":status", "200"}, {"x", "y", true}}};
constexpr std::array<H2Session::Line, 4> request{
    {{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}};
constexpr std::array<H2Session::Line, 1> trailer{{{"t", "1"}}};
constexpr std::string_view content = "some content that goes out in answer to whatever came in";

class Stream : public H2Stream {
 public:
  explicit Stream(unsigned choice, std::size_t& live) : choice_(choice), live_(live) { ++live_; }
  ~Stream() override { --live_; }
  [[nodiscard]] bool has_closed() const { return closed_; }

  void act() {
    if (!is_attached()) return;
    H2Session& session = *this->session();
    choice_ = choice_ * 1103515245U + 12345U;
    const std::array<Bytes, 2> pieces{sluice::base::as_bytes(content), {}};
    switch (choice_ >> 16 & 7U) {
      case 0: (void)session.send_head(*this, answer, (choice_ & 0x100U) != 0); break;
      case 1: (void)session.send_informational(*this, std::span(answer).first(1)); break;
      case 2: (void)session.send_data(*this, pieces, (choice_ & 0x100U) != 0); break;
      case 3: (void)session.send_trailers(*this, trailer); break;
      case 4:
        if ((choice_ & 0x300U) == 0) session.reset(*this, H2Error::cancel);
        break;
      case 5: session.forget_data(*this); break;
      default: session.consumed(*this, held_), held_ = 0; break;
    }
  }

 protected:
  void on_head(H2Fields&& fields, Reason defect, bool /*ends*/) override {
    require(!closed_ && !ended_, "no head after the end");
    require(fields.list_bytes() <= 4 * 4096 + 32, "a block is bounded");
    for (const Field& field : fields.all()) {
      require(!field.name.empty(), "a field has a name");
      require(field.value.find('\n') == std::string_view::npos, "values are valid");
    }
    require(defect != Reason::none || !fields.all().empty(), "a head has fields");
    act();
  }
  void on_data(Bytes bytes) override {
    require(!closed_ && !ended_ && !bytes.empty(), "no content after the end");
    held_ += bytes.size();
    require(held_ <= 70'000, "no more than the windows allow");
    act();
  }
  void on_end(H2Fields&& trailers) override {
    require(!closed_ && !ended_, "one end");
    for (const Field& field : trailers.all()) {
      require(!field.name.starts_with(':'), "no pseudo-header fields in trailers");
    }
    ended_ = true;
    act();
  }
  void on_drained() override {
    require(!closed_, "nothing drains after the end");
    act();
  }
  void on_closed(Reason /*reason*/, std::uint32_t /*error_code*/) override {
    require(!closed_, "one close");
    require(!is_attached(), "forgotten when told");
    closed_ = true;
  }

 private:
  unsigned choice_;
  std::size_t& live_;
  std::size_t held_ = 0;
  bool closed_ = false;
  bool ended_ = false;
};

class Owner : public H2Session::Owner {
 public:
  explicit Owner(unsigned choice) : choice_(choice) {}
  H2Stream* new_stream() override {
    if ((choice_ & 0x08U) != 0 && streams_.size() % 4 == 3) {
      streams_.emplace_back();
      return nullptr;
    }
    streams_.push_back(std::make_unique<Stream>(choice_ + streams_.size(), live_));
    return streams_.back().get();
  }
  void on_peer_settings() override {}
  void on_goaway(std::int32_t /*last_stream_id*/, std::uint32_t /*error_code*/) override {}
  void on_pong() override {}

  void open_some(H2Session& session, int count) {
    for (int i = 0; i < count; ++i) {
      streams_.push_back(std::make_unique<Stream>(choice_ + streams_.size(), live_));
      if (!session.open(*streams_.back(), request, i % 2 == 0)) streams_.pop_back();
    }
  }
  void act() {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (streams_[i] != nullptr) streams_[i]->act();
    }
    if ((choice_ & 0x04U) != 0 && !streams_.empty()) streams_[choice_ % streams_.size()].reset();
    std::erase_if(streams_,
                  [](const auto& stream) { return stream == nullptr || stream->has_closed(); });
  }
  [[nodiscard]] std::size_t live() const { return live_; }
  [[nodiscard]] bool all_closed() const {
    return std::ranges::all_of(
        streams_, [](const auto& stream) { return stream == nullptr || stream->has_closed(); });
  }

 private:
  unsigned choice_;
  std::size_t live_ = 0;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 64 * 1024) return 0;
  const unsigned choice = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto role = (choice & 1U) != 0 ? H2Session::Role::client : H2Session::Role::server;

  H2Settings settings;
  settings.max_concurrent_streams = 8;
  settings.initial_window_bytes = 1000;
  settings.max_window_bytes = 8000;
  settings.field_bytes = 1024;
  settings.headers_bytes = 4096;
  settings.header_count = 20;
  settings.cookie_crumbs = 5;
  Owner owner(choice);
  H2Session session(role, settings, owner);
  std::vector<char> out(32 * 1024);
  const std::size_t room = (choice & 0x10U) != 0 ? 40 : out.size();
  std::size_t sent = 0;
  const auto drain = [&](int times) {
    for (; times > 0; --times) {
      const std::size_t used = session.send(std::span(out).first(room));
      require(used <= room, "no more than there is room for");
      sent += used;
      require(sent <= most_bytes_out, "what goes out is bounded");
      if (used == 0) return;
    }
  };
  if (role == H2Session::Role::server && (choice & 0x20U) != 0) {
    constexpr std::string_view opening("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    (void)session.receive(sluice::base::as_bytes(opening), {});
  }
  if (role == H2Session::Role::client) owner.open_some(session, 3);

  Reason reason = Reason::none;
  std::size_t at = 0;
  auto cuts = sluice::fuzz::some_cuts(sluice::fuzz::digest(text), text.size());
  cuts.push_back(text.size());
  for (const std::size_t cut : cuts) {
    reason = session.receive(sluice::base::as_bytes(text.substr(at, cut - at)), {});
    at = cut;
    require(reason == session.failure() || session.failure() != Reason::none, "the same reason");
    if (reason != Reason::none) break;
    owner.act();
    if ((choice & 0x40U) == 0) drain(3);
    if (role == H2Session::Role::client && (choice & 0x02U) != 0) owner.open_some(session, 1);
  }
  if (reason != Reason::none) {
    require(session.open_streams() == 0 && owner.all_closed(), "a failed session has no streams");
    require(session.wants_send(), "GOAWAY is to be sent");
  }
  if ((choice & 0x80U) != 0 && reason == Reason::none) session.terminate(H2Error::no_error);
  drain(100'000);
  if (reason != Reason::none || (choice & 0x80U) != 0) {
    require(session.is_over() && !session.wants_send(), "after GOAWAY it is over");
    require(owner.all_closed(), "all streams are told");
  }
  return 0;
}
