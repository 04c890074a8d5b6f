#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

using http::ContentCoding;

CompressSettings settings_of(const std::string& filter) {
  const auto read = read_filter(filter);
  EXPECT_EQ(read.errors, "") << filter;
  return read.value.compress != nullptr ? read.value.compress->settings : CompressSettings{};
}

TEST(Compress, on_has_all_defaults) {
  EXPECT_EQ(settings_of("compress: on"), CompressSettings{});
  EXPECT_EQ(settings_of("compress: {}"), CompressSettings{});
}

TEST(Compress, settings_are_read) {
  const CompressSettings settings = settings_of(
      "compress: { codings: [zstd, gzip], levels: { gzip: 9, zstd: 1 }, types: [Image/*], "
      "min_size: 2KiB, concurrency: 7 }");
  EXPECT_EQ(settings.codings, (std::vector{ContentCoding::zstd, ContentCoding::gzip}));
  EXPECT_EQ(settings.levels, (std::array{9, 4, 1}));
  EXPECT_EQ(settings.size_least, 2048u);
  EXPECT_EQ(settings.concurrency, 7u);
  EXPECT_TRUE(settings.takes_type("image/PNG"));
  EXPECT_FALSE(settings.takes_type("text/html"));
}

TEST(Compress, parameters_of_a_type_do_not_matter) {
  const CompressSettings settings;
  EXPECT_TRUE(settings.takes_type("text/html; charset=utf-8"));
  EXPECT_TRUE(settings.takes_type("application/problem+json ;x=y"));
  EXPECT_FALSE(settings.takes_type("application/octet-stream"));
  EXPECT_FALSE(settings.takes_type("application/grpc+proto"));
  EXPECT_FALSE(settings.takes_type(""));
}

TEST(Compress, wrong_values_are_named_with_their_place) {
  for (const auto& [filter, path] : std::vector<std::pair<std::string, std::string>>{
           {"compress: maybe", "compress"},
           {"compress: { codings: [lzma] }", "codings"},
           {"compress: { codings: [br, br] }", "codings"},
           {"compress: { codings: [] }", "codings"},
           {"compress: { levels: { gzip: 10 } }", "levels.gzip"},
           {"compress: { levels: { br: 10 } }", "levels.br"},
           {"compress: { levels: { zstd: 0 } }", "levels.zstd"},
           {"compress: { levels: { lz4: 1 } }", "levels.lz4"},
           {"compress: { types: [\"text/html; charset=utf-8\"] }", "types"},
           {"compress: { types: [text] }", "types"},
           {"compress: { min_size: 0 }", "min_size"},
           {"compress: { concurrency: 0 }", "concurrency"},
       }) {
    EXPECT_NE(read_filter(filter).errors.find("filters." +
                                              (path == "compress" ? path : "compress." + path)),
              std::string::npos)
        << filter << " gives " << read_filter(filter).errors;
  }
}

TEST(Compress, the_count_of_answers_under_way_outlives_a_reload) {
  config::Problems problems;
  const auto model = load_listener("    filters: { compress: { min_size: 1KiB } }\n", problems);
  const auto changed = load_listener("    filters: { compress: { min_size: 2KiB } }\n", problems);
  ASSERT_TRUE(model && changed) << text_of(problems);
  const auto read = [&](const config::Model& from, const Filters* former) {
    const config::Listener& listener = from.listeners[0];
    return read_filters(*listener.filters, {}, {groups(), listener, former}, problems);
  };
  const Filters first = read(*model, nullptr);
  const Filters same = read(*model, &first);
  const Filters other = read(*changed, &first);
  EXPECT_EQ(same.compress, first.compress);
  EXPECT_NE(other.compress, first.compress);
  EXPECT_EQ(other.compress->active, first.compress->active);
}

}  // namespace
}  // namespace sluice::route::testing
