// WebSocket frames on their way through: where frames end, and that a close frame came, does not
// depend on how the bytes arrive, and frame by frame is the same as all at once.
#include "property.h"
#include "sluice/http/websocket.h"

namespace {

using namespace sluice::http;
using sluice::base::Bytes;
using sluice::fuzz::require;

bool same(const WebSocketScanner& one, const WebSocketScanner& other) {
  return one.at_boundary() == other.at_boundary() && one.has_closed() == other.has_closed();
}

// A second reading of RFC 6455 5.2, over whole input only. False: the input ends inside of a frame,
// or has none.
struct Reading {
  bool at_boundary = true;
  bool has_closed = false;
};

Reading read_again(std::string_view text) {
  Reading reading;
  std::size_t at = 0;
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  while (at < text.size()) {
    reading.at_boundary = false;
    if (text.size() - at < 2) return reading;
    const unsigned first = byte(at);
    const unsigned second = byte(at + 1);
    std::size_t header = 2;
    std::uint64_t length = second & 0x7f;
    const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    const std::size_t mask = second >= 0x80 ? 4 : 0;
    if (text.size() - at < header + extended + mask) return reading;
    if (extended > 0) length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length * 256 + byte(at + 2 + i);
    header += extended + mask;
    if ((first & 0x0f) == 8) reading.has_closed = true;
    if (length > (~std::uint64_t{0} >> 1) || length > text.size() - at - header) return reading;
    at += header + length;
    reading.at_boundary = true;
  }
  return reading;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Bytes bytes(text.data(), text.size());
  WebSocketScanner whole;
  whole.feed(bytes);

  WebSocketScanner pieces;
  std::size_t at = 0;
  for (const std::size_t cut : sluice::fuzz::some_cuts(sluice::fuzz::digest(text), size)) {
    pieces.feed(bytes.subspan(at, cut - at));
    at = cut;
  }
  pieces.feed(bytes.subspan(at));
  require(same(whole, pieces), "the same in pieces");

  WebSocketScanner single;
  for (std::size_t i = 0; i < size; ++i) single.feed(bytes.subspan(i, 1));
  require(same(whole, single), "the same byte by byte");

  WebSocketScanner framed;
  for (Bytes rest = bytes; !rest.empty();) {
    const std::size_t used = framed.feed_frame(rest);
    require(used > 0 && used <= rest.size(), "some bytes are taken, and no more than there are");
    require(used == rest.size() || framed.at_boundary(), "it stops between frames only");
    rest = rest.subspan(used);
  }
  require(same(whole, framed), "the same frame by frame");

  const Reading reading = read_again(text);
  require(whole.at_boundary() == reading.at_boundary, "the boundary that a second reader finds");
  require(whole.has_closed() == reading.has_closed, "the close frame that a second reader finds");
  return 0;
}
