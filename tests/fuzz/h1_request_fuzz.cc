// Request heads: the outcome does not depend on how the bytes arrive; views stay inside the head;
// and what was understood, written again and parsed again, is understood in the same way (no second
// reading of one message: T1). What may be read otherwise elsewhere has the class that its bytes
// have.
#include "../unit/http/describe.h"
#include "property.h"
#include "sluice/http/h1_writer.h"

namespace {

using namespace sluice::http;
using sluice::base::Bytes;
using sluice::fuzz::require;

constexpr HeadLimits narrow_limits{64, 48, 160, 6};

bool is_inside(std::string_view view, Bytes bytes) {
  return view.empty() ||
         (view.data() >= bytes.data() && view.data() + view.size() <= bytes.data() + bytes.size());
}

void check_views(const RequestHead& head, Bytes bytes) {
  require(is_inside(head.method_text, bytes), "method inside the head");
  require(is_inside(head.target, bytes), "target inside the head");
  require(is_inside(head.query, bytes), "query inside the head");
  require(is_inside(head.host, bytes), "host inside the head");
  // "/" and "*" may be ours: of an absolute target without a path.
  require(head.path == "/" || head.path == "*" || head.path == head.path_storage ||
              is_inside(head.path, bytes),
          "path inside the head or its storage");
  for (const Field& field : head.fields) {
    require(is_inside(field.name, bytes) && is_inside(field.value, bytes), "field inside the head");
  }
}

// As a proxy forwards it: normal form of the path, the one host.
std::size_t write_again(const RequestHead& head, sluice::base::MutableBytes buffer) {
  H1Writer writer(buffer);
  writer.request_line(head.method_text, head.path, head.query, head.has_query);
  for (const Field& field : head.fields) {
    writer.field(field.name, field.known == FieldName::host ? head.host : field.value);
  }
  writer.end_head();
  require(!writer.overflowed(), "what was parsed can be written");
  return writer.size();
}

void check_round_trip(const RequestHead& head, std::size_t size) {
  if (head.minor_version == 0) return;  // written as HTTP/1.1, which means other things
  std::vector<char> buffer(2 * size + 64);
  const Bytes again_bytes(buffer.data(), write_again(head, buffer));
  H1Parser parser(test::usual_limits);
  RequestHead again;
  require(parser.parse(again_bytes, again) == Progress::complete, "accepted again");
  require(parser.head_bytes() == again_bytes.size(), "one message stays one message");
  require(again.method == head.method && again.method_text == head.method_text, "same method");
  require(again.path == head.path, "same path");
  require(again.has_query == head.has_query && again.query == head.query, "same query");
  require(again.host == head.host, "same host");
  require(again.framing == head.framing && again.content_length == head.content_length,
          "same framing");
  require(again.persistent == head.persistent && again.wants_upgrade == head.wants_upgrade &&
              again.expects_continue == head.expects_continue,
          "same connection");
  require(again.fields.size() == head.fields.size(), "same number of fields");
  for (auto a = again.fields.begin(), b = head.fields.begin(); a != again.fields.end(); ++a, ++b) {
    require(a->name == b->name && a->known == b->known, "same names");
    require(a->known == FieldName::host || a->value == b->value, "same values");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::uint64_t seed = sluice::fuzz::digest(text);
  for (const HeadLimits& limits : {test::usual_limits, narrow_limits}) {
    const test::Outcome whole = test::parse_request(text, {}, limits);
    require(whole == test::parse_request(text, sluice::fuzz::some_cuts(seed, size), limits),
            "same outcome in pieces");
  }
  if (size <= 64) {
    require(test::parse_request(text) == test::parse_request(text, test::every_byte_alone(text)),
            "same outcome byte by byte");
  }

  H1Parser parser(test::usual_limits);
  RequestHead head;
  const Bytes bytes = sluice::base::as_bytes(text);
  if (parser.parse(bytes, head) != Progress::complete) return 0;
  check_views(head, bytes.first(parser.head_bytes()));
  check_round_trip(head, parser.head_bytes());
  require(classify_desync(bytes.first(parser.head_bytes()), false) == head.desync,
          "parser and classifier agree");
  return 0;
}
