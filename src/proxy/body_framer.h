// How a body leaves, towards either side: chunk framing where the length is not known, and the
// trailers that may pass.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/http/h1_writer.h"
#include "sluice/net/transfer.h"
#include "sluice/proxy/exchange.h"
#include "sluice/upstream/body_reader.h"

namespace sluice::proxy {

// Between two peers that are faster than we are, a body never waits: about each MiB it lets the
// others have their turn, and the deadlines theirs.
inline constexpr std::uint32_t writes_per_turn = 32;

// Chunk framing around content in one gathered write.
class Framer {
 public:
  explicit Framer(bool chunked) : chunked_(chunked) {}

  // Adds the content of `runs`, and the end of the body when `last`, to the writer's next write.
  void add(net::Writer& writer, const upstream::Runs& runs, bool last, std::string_view trailers);

 private:
  bool chunked_;
  std::array<char, http::chunk_head_bytes_max> head_;
};

// Trailers that the configuration lets pass (T4), as field lines; nearly always none.
[[nodiscard]] std::string allowed_trailers(const Exchange& exchange, const http::Fields& trailers);

}  // namespace sluice::proxy
