// The three libraries behind ContentEncoder.
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

#include "sluice/http/content_coding.h"

namespace sluice::http {
namespace {

using Until = ContentEncoder::Until;

constexpr std::size_t step = 16 * 1024;  // bytes that `out` grows by
constexpr int window_bits = 18;          // 256 KiB, of brotli and zstd

// Room for `step` bytes behind what `out` has; `used` of them stay.
template <typename Use>
bool with_room(std::string& out, Use use) {
  const std::size_t before = out.size();
  out.resize(before + step);
  std::size_t used = 0;
  const bool good = use(out.data() + before, used);
  out.resize(before + used);
  return good;
}

class GzipEncoder final : public ContentEncoder {
 public:
  GzipEncoder() = default;
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;
  ~GzipEncoder() override {
    if (is_open_) deflateEnd(&stream_);
  }

  bool open(int level) {
    constexpr int gzip_wrapper = 16;
    constexpr int usual_memory = 8;
    is_open_ = deflateInit2(&stream_, level, Z_DEFLATED, MAX_WBITS + gzip_wrapper, usual_memory,
                            Z_DEFAULT_STRATEGY) == Z_OK;
    return is_open_;
  }

  bool encode(base::Bytes content, Until until, std::string& out) override {
    if (content.size() > std::numeric_limits<uInt>::max()) return false;
    const int mode = until == Until::end     ? Z_FINISH
                     : until == Until::flush ? Z_SYNC_FLUSH
                                             : Z_NO_FLUSH;
    // zlib does not write to it; its interface is older than `const`.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));
    stream_.avail_in = static_cast<uInt>(content.size());
    for (;;) {
      int result = Z_OK;
      const bool good = with_room(out, [&](char* room, std::size_t& used) {
        stream_.next_out = reinterpret_cast<Bytef*>(room);
        stream_.avail_out = step;
        result = deflate(&stream_, mode);
        used = step - stream_.avail_out;
        // Z_BUF_ERROR: nothing left to do, which is no error.
        return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
      });
      if (!good) return false;
      if (stream_.avail_out != 0) return until != Until::end || result == Z_STREAM_END;
    }
  }

 private:
  z_stream stream_{};
  bool is_open_ = false;
};

class BrotliEncoder final : public ContentEncoder {
 public:
  BrotliEncoder() = default;
  BrotliEncoder(const BrotliEncoder&) = delete;
  BrotliEncoder& operator=(const BrotliEncoder&) = delete;
  ~BrotliEncoder() override {
    if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
  }

  bool open(int level) {
    state_ = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
    return state_ != nullptr &&
           BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY,
                                     static_cast<std::uint32_t>(level)) == BROTLI_TRUE &&
           BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, window_bits) == BROTLI_TRUE;
  }

  bool encode(base::Bytes content, Until until, std::string& out) override {
    const BrotliEncoderOperation operation = until == Until::end     ? BROTLI_OPERATION_FINISH
                                             : until == Until::flush ? BROTLI_OPERATION_FLUSH
                                                                     : BROTLI_OPERATION_PROCESS;
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(content.data());
    std::size_t left = content.size();
    do {
      const bool good = with_room(out, [&](char* room, std::size_t& used) {
        auto* next_out = reinterpret_cast<std::uint8_t*>(room);
        std::size_t space = step;
        const bool done = BrotliEncoderCompressStream(state_, operation, &left, &next_in, &space,
                                                      &next_out, nullptr) == BROTLI_TRUE;
        used = step - space;
        return done;
      });
      if (!good) return false;
    } while (left > 0 || BrotliEncoderHasMoreOutput(state_) == BROTLI_TRUE);
    return until != Until::end || BrotliEncoderIsFinished(state_) == BROTLI_TRUE;
  }

 private:
  BrotliEncoderState* state_ = nullptr;
};

class ZstdEncoder final : public ContentEncoder {
 public:
  ZstdEncoder() = default;
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;
  ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }  // null is allowed

  bool open(int level) {
    context_ = ZSTD_createCCtx();
    return context_ != nullptr &&
           ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level)) == 0 &&
           ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, window_bits)) == 0;
  }

  bool encode(base::Bytes content, Until until, std::string& out) override {
    const ZSTD_EndDirective directive = until == Until::end     ? ZSTD_e_end
                                        : until == Until::flush ? ZSTD_e_flush
                                                                : ZSTD_e_continue;
    ZSTD_inBuffer input{content.data(), content.size(), 0};
    std::size_t pending = 0;
    do {
      const bool good = with_room(out, [&](char* room, std::size_t& used) {
        ZSTD_outBuffer output{room, step, 0};
        pending = ZSTD_compressStream2(context_, &output, &input, directive);
        used = output.pos;
        return ZSTD_isError(pending) == 0;
      });
      if (!good) return false;
    } while (directive == ZSTD_e_continue ? input.pos < input.size : pending > 0);
    return true;
  }

 private:
  ZSTD_CCtx* context_ = nullptr;
};

template <typename Encoder>
std::unique_ptr<ContentEncoder> open(int level) {
  auto encoder = std::make_unique<Encoder>();
  if (!encoder->open(level)) return nullptr;
  return encoder;
}

}  // namespace

std::unique_ptr<ContentEncoder> ContentEncoder::make(ContentCoding coding, int level) {
  switch (coding) {
    case ContentCoding::gzip: return open<GzipEncoder>(level);
    case ContentCoding::brotli: return open<BrotliEncoder>(level);
    case ContentCoding::zstd: return open<ZstdEncoder>(level);
  }
  return nullptr;
}

}  // namespace sluice::http
