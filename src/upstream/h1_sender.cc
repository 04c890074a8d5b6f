#include "sluice/upstream/h1_sender.h"

namespace sluice::upstream {

void H1Sender::set_head(base::Bytes head, bool chunked) {
  writer_.add(head);
  chunked_ = chunked;
}

void H1Sender::add(const Runs& runs, bool is_last, std::string_view trailers) {
  if (chunked_ && runs.bytes > 0) {
    writer_.add(base::as_bytes(http::chunk_head(runs.bytes, chunk_head_)));
  }
  for (const base::Bytes run : runs.items) writer_.add(run);
  if (!chunked_) return;
  if (runs.bytes > 0) writer_.add(base::as_bytes(http::chunk_tail));
  if (!is_last) return;
  if (trailers.empty()) {
    writer_.add(base::as_bytes(http::last_chunk));
  } else {
    writer_.add(base::as_bytes("0\r\n"));
    writer_.add(base::as_bytes(trailers));
    writer_.add(base::as_bytes("\r\n"));
  }
}

}  // namespace sluice::upstream
