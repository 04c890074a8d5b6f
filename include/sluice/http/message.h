// Request and response heads, as one codec produces them and everything else reads them.
//
// Views point into the connection's receive buffer and live as long as it is kept in place: until
// the exchange ends. `Framing` is the one decision about where a message ends (T1); nobody decides
// it again. A head is filled where it lives and not moved afterwards: `path` may point into
// `path_storage`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/http/desync.h"
#include "sluice/http/field.h"

namespace sluice::http {

enum class Method : std::uint8_t {
  other,
  get,
  head,
  post,
  put,
  delete_,
  options,
  patch,
  connect,
  trace
};

[[nodiscard]] Method method(std::string_view text);  // case-sensitive (RFC 9110 9.1)
[[nodiscard]] bool is_idempotent(Method method);     // RFC 9110 9.2.2; `other` is not

enum class Framing : std::uint8_t {
  none,    // no body
  length,  // exactly content_length bytes
  chunked,
  until_close,  // responses only
};

// As it has to be forwarded: `OPTIONS http://host` without a path is asterisk (RFC 9112 3.2.4).
enum class TargetForm : std::uint8_t { origin, absolute, asterisk };

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;  // as received
  TargetForm form = TargetForm::origin;
  std::string_view path;   // normal form (uri.h), starts with '/'; "*" for the asterisk form
  std::string_view query;  // without '?', as received
  bool has_query = false;  // "/x?" has an empty one
  // Authority: of an absolute target, else of Host; empty in HTTP/1.0 only. Route and forward by
  // it, not by the Host field, which may differ beside an absolute target (RFC 9112 3.2.2).
  std::string_view host;
  std::uint8_t minor_version = 1;  // HTTP/1.<minor>; 1 over HTTP/2, which can all that 1.1 can
  bool http2 = false;              // came over HTTP/2
  // `:protocol` of an extended CONNECT (RFC 8441), else empty.
  std::string_view connect_protocol;
  Fields fields;
  // Over HTTP/2 chunked means: content of a length that nobody has told.
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  // with Framing::length
  bool persistent = true;            // the client would reuse the connection
  bool expects_continue = false;     // and has content to wait for; HTTP/1.1 only
  bool wants_upgrade = false;        // Connection: upgrade and Upgrade (not to h2c); HTTP/1.1 only
  DesyncReason desync = DesyncReason::none;  // over HTTP/2: none
  std::string path_storage;                  // holds `path` when normalising changed it

  void clear();
};

struct ResponseHead {
  std::uint16_t status = 0;  // 100..599
  std::string_view reason_phrase;
  std::uint8_t minor_version = 1;
  bool http2 = false;  // came over HTTP/2; minor_version is 1 then
  Fields fields;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  // with Framing::length; also of a HEAD's or 304's answer
  bool has_content_length = false;
  bool persistent = true;

  void clear();
};

}  // namespace sluice::http
