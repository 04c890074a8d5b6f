#include "http/head_facts.h"

#include <limits>

#include "sluice/base/text.h"

namespace sluice::http {

namespace {

using observe::Reason;

// The largest length accepted: sums of lengths and byte counters then stay far from overflow.
constexpr std::uint64_t largest_content_length = std::numeric_limits<std::int64_t>::max();

void note_connection_options(HeadFacts& facts, std::string_view options) {
  for_each_element(options, [&facts](std::string_view option) {
    if (base::equals_ignoring_case(option, "close")) facts.connection_close = true;
    if (base::equals_ignoring_case(option, "keep-alive")) facts.connection_keep_alive = true;
    if (base::equals_ignoring_case(option, "upgrade")) facts.connection_upgrade = true;
  });
}

void note_upgrade(HeadFacts& facts, std::string_view protocols) {
  for_each_element(protocols, [&facts](std::string_view protocol) {
    facts.upgrade_offered = true;
    if (base::equals_ignoring_case(protocol, "h2c")) facts.upgrade_to_h2c = true;
  });
}

// Only the spelling `chunked`, alone, is understood. A list of nothing but `chunked` (twice, or
// beside empty elements) is an attempt at confusion; any other coding is one we do not implement
// (RFC 9112 6.1).
[[nodiscard]] Reason judge_transfer_encoding(std::string_view value) {
  if (base::equals_ignoring_case(value, "chunked")) return Reason::none;
  bool other_coding = false;
  for_each_element(value, [&other_coding](std::string_view coding) {
    if (!base::equals_ignoring_case(coding, "chunked")) other_coding = true;
  });
  return other_coding ? Reason::transfer_coding_unknown
                      : Reason::transfer_encoding_not_final_chunked;
}

[[nodiscard]] Reason judge_transfer_encoding_field(const HeadFacts& facts,
                                                   std::uint8_t minor_version) {
  if (minor_version == 0) return Reason::transfer_encoding_in_http_1_0;
  if (facts.content_lengths != 0) return Reason::content_length_with_transfer_encoding;
  if (facts.transfer_encodings > 1) return Reason::transfer_encoding_not_final_chunked;
  return judge_transfer_encoding(facts.transfer_encoding);
}

}  // namespace

void HeadFacts::note(const Field& field) {
  switch (field.known) {
    case FieldName::host:
      host = field.value;
      ++hosts;
      break;
    case FieldName::content_length:
      content_length = field.value;
      ++content_lengths;
      break;
    case FieldName::transfer_encoding:
      transfer_encoding = field.value;
      ++transfer_encodings;
      break;
    case FieldName::connection: note_connection_options(*this, field.value); break;
    case FieldName::upgrade: note_upgrade(*this, field.value); break;
    case FieldName::expect:
      if (base::equals_ignoring_case(field.value, "100-continue")) {
        expects_continue = true;
      } else {
        expects_other = true;
      }
      break;
    default: break;
  }
}

FramingDecision decide_framing(const HeadFacts& facts, std::uint8_t minor_version) {
  if (facts.transfer_encodings != 0) {
    const Reason reason = judge_transfer_encoding_field(facts, minor_version);
    return {reason, reason == Reason::none ? Framing::chunked : Framing::none, 0};
  }
  if (facts.content_lengths == 0) return {};
  // RFC 9110 8.6 would let equal numbers be merged; nobody honest sends them twice.
  if (facts.content_lengths > 1) return {Reason::content_length_conflict, Framing::none, 0};
  const auto length = base::parse_decimal(facts.content_length);
  if (!length || *length > largest_content_length) {
    return {Reason::content_length_invalid, Framing::none, 0};
  }
  return {Reason::none, Framing::length, *length};
}

bool wants_persistence(const HeadFacts& facts, std::uint8_t minor_version) {
  if (facts.connection_close) return false;
  return minor_version >= 1 || facts.connection_keep_alive;
}

}  // namespace sluice::http
