// Response heads: the outcome does not depend on how the bytes arrive, and what was understood,
// written again and parsed again, is understood in the same way. The digest of the input chooses
// the method that was asked with.
#include "../unit/http/describe.h"
#include "property.h"
#include "sluice/http/h1_writer.h"

namespace {

using namespace sluice::http;
using sluice::base::Bytes;
using sluice::fuzz::require;

constexpr HeadLimits narrow_limits{64, 48, 160, 6};

void check_round_trip(const ResponseHead& head, Method request_method, std::size_t size) {
  if (head.minor_version == 0) return;  // written as HTTP/1.1, which means other things
  std::vector<char> buffer(2 * size + 64);
  H1Writer writer(buffer);
  writer.status_line(head.status, head.reason_phrase);
  for (const Field& field : head.fields) writer.field(field.name, field.value);
  writer.end_head();
  require(!writer.overflowed(), "what was parsed can be written");

  H1Parser parser(test::usual_limits);
  ResponseHead again;
  require(parser.parse(writer.bytes(), again, request_method) == Progress::complete,
          "accepted again");
  require(parser.head_bytes() == writer.size(), "one message stays one message");
  require(test::describe(again) == test::describe(head), "same head");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::uint64_t seed = sluice::fuzz::digest(text);
  const Method request_method = (seed >> 60) == 0 ? Method::head : Method::get;
  for (const HeadLimits& limits : {test::usual_limits, narrow_limits}) {
    const test::Outcome whole = test::parse_response(text, request_method, {}, limits);
    require(whole == test::parse_response(text, request_method, sluice::fuzz::some_cuts(seed, size),
                                          limits),
            "same outcome in pieces");
  }

  H1Parser parser(test::usual_limits);
  ResponseHead head;
  if (parser.parse(sluice::base::as_bytes(text), head, request_method) == Progress::complete) {
    check_round_trip(head, request_method, parser.head_bytes());
  }
  return 0;
}
