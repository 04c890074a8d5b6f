// What the fields of one head say about framing, authority and the connection, gathered while its
// lines are read, so that the decisions after it need no further search.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/characters.h"
#include "sluice/base/text.h"
#include "sluice/http/desync.h"
#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

struct HeadFacts {
  std::string_view host;
  std::string_view content_length;
  std::string_view transfer_encoding;
  // How often each occurred. A head cannot have so many lines that these overflow.
  std::uint32_t hosts = 0;
  std::uint32_t content_lengths = 0;
  std::uint32_t transfer_encodings = 0;
  // Options of all Connection fields (RFC 9110 7.6.1).
  bool connection_close = false;
  bool connection_keep_alive = false;
  bool connection_upgrade = false;
  // Upgrade (RFC 9110 7.8): some protocol was offered; cleartext HTTP/2 was among them.
  bool upgrade_offered = false;
  bool upgrade_to_h2c = false;
  // Expect (RFC 9110 10.1.1): the only one that exists, or any other.
  bool expects_continue = false;
  bool expects_other = false;
  // A name that is Transfer-Encoding or Content-Length to somebody careless (desync.h).
  bool suspicious_name = false;

  void note(const Field& field);
  // Of a field without a token. Nearly all names are too short or end otherwise.
  void note_unknown(std::string_view name) {
    constexpr std::size_t shortest = 13;  // contentlength
    if (name.size() < shortest) return;
    const char last = base::lower(name.back());
    if (last == 'h' || last == 'g' || !is_in(character_class::alphanumeric, last)) [[unlikely]] {
      suspicious_name = suspicious_name || is_suspicious_name(name);
    }
  }
};

// The one framing decision (T1; RFC 9112 6.1-6.3), the same in both directions.
struct FramingDecision {
  observe::Reason reason = observe::Reason::none;  // refused unless `none`
  Framing framing = Framing::none;                 // of the fields alone: none, length or chunked
  std::uint64_t content_length = 0;
};

[[nodiscard]] FramingDecision decide_framing(const HeadFacts& facts, std::uint8_t minor_version);

// RFC 9112 9.3: `close` wins over everything; HTTP/1.0 has to ask for `keep-alive`.
[[nodiscard]] bool wants_persistence(const HeadFacts& facts, std::uint8_t minor_version);

}  // namespace sluice::http
