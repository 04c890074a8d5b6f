#include "proxy/body_framer.h"

#include "sluice/base/text.h"

namespace sluice::proxy {

void Framer::add(net::Writer& writer, const upstream::Runs& runs, bool last,
                 std::string_view trailers) {
  if (chunked_ && runs.bytes > 0) writer.add(base::as_bytes(http::chunk_head(runs.bytes, head_)));
  for (std::size_t i = 0; i < runs.count; ++i) writer.add(runs.items[i]);
  if (!chunked_) return;
  if (runs.bytes > 0) writer.add(base::as_bytes(http::chunk_tail));
  if (!last) return;
  if (trailers.empty()) {
    writer.add(base::as_bytes(http::last_chunk));
  } else {
    writer.add(base::as_bytes("0\r\n"));
    writer.add(base::as_bytes(trailers));
    writer.add(base::as_bytes("\r\n"));
  }
}

std::string allowed_trailers(const Exchange& exchange, const http::Fields& trailers) {
  std::string lines;
  for (const http::Field& field : trailers) {
    for (const std::string& allowed : exchange.model().forwarding.trailers) {
      if (!base::equals_ignoring_case(field.name, allowed)) continue;
      lines.append(field.name).append(": ").append(field.value).append("\r\n");
    }
  }
  return lines;
}

}  // namespace sluice::proxy
