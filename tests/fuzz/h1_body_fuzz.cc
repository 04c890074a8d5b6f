// Bodies: outcome, content and end do not depend on how the bytes arrive, and the content of a
// chunked body, chunked again by us, is decoded to the same content.
#include <array>

#include "../unit/http/describe.h"
#include "property.h"
#include "sluice/http/h1_writer.h"

namespace {

using namespace sluice::http;
using sluice::fuzz::require;

constexpr BodyLimits narrow_limits{8, 16};

void check_chunked_again(const std::string& content) {
  if (content.empty()) return;
  std::array<char, chunk_head_bytes_max> head;
  std::string text(chunk_head(content.size(), head));
  text.append(content).append(chunk_tail).append(last_chunk);
  const test::BodyOutcome again =
      test::decode_in_pieces(H1Body(Framing::chunked, 0, test::usual_body_limits), text, {});
  require(again.finished && again.content == content && again.consumed == text.size(),
          "chunked again");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::uint64_t seed = sluice::fuzz::digest(text);
  for (const BodyLimits& limits : {test::usual_body_limits, narrow_limits}) {
    const H1Body body(Framing::chunked, 0, limits);
    const test::BodyOutcome whole = test::decode_in_pieces(body, text, {});
    require(whole == test::decode_in_pieces(body, text, sluice::fuzz::some_cuts(seed, size)),
            "same outcome in pieces");
    require(whole == test::decode_in_pieces(body, text, test::every_byte_alone(text)),
            "same outcome byte by byte");
    require(whole.failed || whole.finished || whole.consumed == size, "all bytes were taken");
    if (whole.finished) check_chunked_again(whole.content);
  }

  const std::uint64_t length = seed % (size + 2);
  const test::BodyOutcome counted =
      test::decode_in_pieces(H1Body(Framing::length, length, test::usual_body_limits), text,
                             sluice::fuzz::some_cuts(seed, size));
  require(counted.finished == (length <= size), "a length ends where it says");
  require(counted.content == text.substr(0, length), "a length is content as it is");
  return 0;
}
