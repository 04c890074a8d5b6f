// An HTTP/1.1 message on its way out: head, content and chunk framing in one gathered write.
#pragma once

#include <array>

#include "sluice/http/h1_writer.h"
#include "sluice/net/stream.h"
#include "sluice/upstream/message.h"

namespace sluice::upstream {

class H1Sender final : public Sender {
 public:
  H1Sender(net::Stream& stream, std::chrono::milliseconds timeout)
      : stream_(stream), writer_(stream, timeout) {}

  void set_head(base::Bytes head, bool chunked) override;
  void add(const Runs& runs, bool is_last, std::string_view trailers) override;
  void add_informational(base::Bytes head) override { writer_.add(head); }
  net::Transfer start() override { return writer_.start(); }
  [[nodiscard]] bool is_unfinished() const override { return writer_.is_unfinished(); }
  [[nodiscard]] net::Task<net::Transfer> finish() override { return writer_.finish(); }
  bool cancel() override { return stream_.cancel_writer(); }
  [[nodiscard]] std::uint64_t bytes_written() const override { return writer_.bytes_written(); }

 private:
  net::Stream& stream_;
  net::Writer writer_;
  bool chunked_ = false;
  std::array<char, http::chunk_head_bytes_max> chunk_head_;
};

}  // namespace sluice::upstream
