// Content codings that we can apply to an answer (RFC 9110 8.4): gzip, br (RFC 7932), zstd
// (RFC 8878). The only door of zlib, brotli and zstd.
//
// No I/O. An encoder belongs to one message and one thread. Windows are small on purpose: what one
// encoder holds is bounded (README of the measurements: bench/README.md), whatever passes through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/base/bytes.h"

namespace sluice::http {

enum class ContentCoding : std::uint8_t { gzip, brotli, zstd };
inline constexpr std::array content_codings{ContentCoding::gzip, ContentCoding::brotli,
                                            ContentCoding::zstd};

[[nodiscard]] std::string_view name_of(ContentCoding coding);  // as in Content-Encoding
[[nodiscard]] std::optional<ContentCoding> content_coding(std::string_view name);

struct LevelRange {
  int least;
  int most;
  int usual;
};
[[nodiscard]] LevelRange levels_of(ContentCoding coding);

// The coding that `accept_encoding`, a list as in RFC 9110 12.5.3, likes best among `offered`,
// whose order decides between equals. Nothing: the content has to stay as it is, be it that the
// client did not say, prefers it so, or that the list makes no sense.
[[nodiscard]] std::optional<ContentCoding> choose_coding(std::string_view accept_encoding,
                                                         std::span<const ContentCoding> offered);

class ContentEncoder {
 public:
  // `level`: within levels_of. Null when memory or the library refuses.
  [[nodiscard]] static std::unique_ptr<ContentEncoder> make(ContentCoding coding, int level);

  virtual ~ContentEncoder() = default;

  enum class Until : std::uint8_t {
    more,   // the library keeps what it likes
    flush,  // the receiver can decode all that was given so far
    end,    // nothing follows; nothing may be given afterwards
  };
  // Appends the coded bytes to `out`: about as many as `content` has, at most a little more. False:
  // the library failed, and the message cannot be completed.
  [[nodiscard]] virtual bool encode(base::Bytes content, Until until, std::string& out) = 0;

 protected:
  ContentEncoder() = default;
  ContentEncoder(const ContentEncoder&) = default;
  ContentEncoder(ContentEncoder&&) = default;
  ContentEncoder& operator=(const ContentEncoder&) = default;
  ContentEncoder& operator=(ContentEncoder&&) = default;
};

}  // namespace sluice::http
