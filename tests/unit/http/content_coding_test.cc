#include "sluice/http/content_coding.h"

#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <vector>

namespace sluice::http {
namespace {

std::string decode_gzip(const std::string& coded) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(coded.data()));
  stream.avail_in = static_cast<uInt>(coded.size());
  std::string out;
  std::array<char, 4096> room{};
  do {
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = room.size();
    const int result = inflate(&stream, Z_SYNC_FLUSH);
    EXPECT_TRUE(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) << result;
    out.append(room.data(), room.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  inflateEnd(&stream);
  return out;
}

std::string decode_brotli(const std::string& coded) {
  BrotliDecoderState* state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  const auto* next = reinterpret_cast<const std::uint8_t*>(coded.data());
  std::size_t left = coded.size();
  std::string out;
  std::array<std::uint8_t, 4096> room{};
  for (;;) {
    std::uint8_t* to = room.data();
    std::size_t space = room.size();
    const auto result = BrotliDecoderDecompressStream(state, &left, &next, &space, &to, nullptr);
    out.append(reinterpret_cast<const char*>(room.data()), room.size() - space);
    if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) break;
  }
  BrotliDecoderDestroyInstance(state);
  return out;
}

std::string decode_zstd(const std::string& coded) {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_inBuffer input{coded.data(), coded.size(), 0};
  std::string out;
  std::array<char, 4096> room{};
  for (;;) {
    ZSTD_outBuffer output{room.data(), room.size(), 0};
    EXPECT_EQ(ZSTD_isError(ZSTD_decompressStream(context, &output, &input)), 0u);
    out.append(room.data(), output.pos);
    if (output.pos < output.size) break;
  }
  ZSTD_freeDCtx(context);
  return out;
}

std::string decode(ContentCoding coding, const std::string& coded) {
  switch (coding) {
    case ContentCoding::gzip: return decode_gzip(coded);
    case ContentCoding::brotli: return decode_brotli(coded);
    case ContentCoding::zstd: return decode_zstd(coded);
  }
  return {};
}

class Encoders : public ::testing::TestWithParam<ContentCoding> {};

TEST_P(Encoders, what_was_flushed_can_be_decoded_before_the_end) {
  const auto encoder = ContentEncoder::make(GetParam(), levels_of(GetParam()).usual);
  ASSERT_NE(encoder, nullptr);
  std::string coded;
  std::string sent;
  for (int event = 0; event < 20; ++event) {
    const std::string text = "data: " + std::to_string(event) + "\n\n";
    sent += text;
    ASSERT_TRUE(encoder->encode(base::as_bytes(text), ContentEncoder::Until::flush, coded));
    ASSERT_EQ(decode(GetParam(), coded), sent);
  }
  ASSERT_TRUE(encoder->encode({}, ContentEncoder::Until::end, coded));
  EXPECT_EQ(decode(GetParam(), coded), sent);
}

TEST_P(Encoders, bodies_come_back_byte_by_byte_at_every_level) {
  std::mt19937_64 draw(7);
  const LevelRange range = levels_of(GetParam());
  for (int level = range.least; level <= range.most; ++level) {
    for (const std::size_t size : {0u, 1u, 100u, 16'384u, 300'000u}) {
      std::string body(size, '\0');
      for (char& c : body) c = static_cast<char>("abcdefgh"[draw() % (level % 2 == 0 ? 8 : 3)]);
      const auto encoder = ContentEncoder::make(GetParam(), level);
      ASSERT_NE(encoder, nullptr);
      std::string coded;
      for (std::size_t at = 0; at < size;) {
        const std::size_t count = std::min<std::size_t>(size - at, 1 + draw() % 40'000);
        ASSERT_TRUE(encoder->encode(base::as_bytes(std::string_view(body).substr(at, count)),
                                    ContentEncoder::Until::more, coded));
        at += count;
      }
      ASSERT_TRUE(encoder->encode({}, ContentEncoder::Until::end, coded));
      ASSERT_EQ(decode(GetParam(), coded), body) << "level " << level << ", " << size << " bytes";
    }
  }
}

TEST_P(Encoders, what_does_not_compress_grows_little) {
  std::mt19937_64 draw(11);
  std::string body(1 << 20, '\0');
  for (char& c : body) c = static_cast<char>(draw());
  const auto encoder = ContentEncoder::make(GetParam(), levels_of(GetParam()).usual);
  std::string coded;
  ASSERT_TRUE(encoder->encode(base::as_bytes(body), ContentEncoder::Until::end, coded));
  EXPECT_LT(coded.size(), body.size() + body.size() / 100);
  EXPECT_EQ(decode(GetParam(), coded), body);
}

INSTANTIATE_TEST_SUITE_P(All, Encoders, ::testing::ValuesIn(content_codings),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(ContentCodings, the_clients_weights_decide_then_our_order) {
  constexpr std::array ours{ContentCoding::brotli, ContentCoding::zstd, ContentCoding::gzip};
  struct Row {
    std::string_view accepts;
    std::string_view chosen;  // empty: none
  };
  for (const Row& row : std::vector<Row>{
           {"", ""},
           {"gzip", "gzip"},
           {"GZIP", "gzip"},
           {"x-gzip", "gzip"},
           {"gzip, deflate, br, zstd", "br"},
           {"gzip;q=1.0, br;q=0.9", "gzip"},
           {"gzip ; q=0.5 , zstd;q=0.501", "zstd"},
           {"*", "br"},
           {"*;q=0", ""},
           {"gzip, *;q=0", "gzip"},
           {"br;q=0, *", "zstd"},
           {"identity", ""},
           {"identity;q=0.5, gzip;q=0.5", "gzip"},
           {"identity, gzip;q=0.9", ""},
           {"gzip;q=0", ""},
           {"gzip;q=0.000", ""},
           {"gzip;q=1.001", ""},
           {"gzip;q=2", ""},
           {"gzip;q=", ""},
           {"gzip;q=0.1234", ""},
           {"gzip;level=5", ""},
           {";q=1", ""},
           {",,,", ""},
           {"deflate", ""},
       }) {
    const auto chosen = choose_coding(row.accepts, ours);
    EXPECT_EQ(chosen ? name_of(*chosen) : "", row.chosen) << row.accepts;
  }
}

}  // namespace
}  // namespace sluice::http
