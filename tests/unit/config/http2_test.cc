// The section `http2`.
#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_after_listener;

TEST(Http2, has_defaults_when_the_section_is_left_out) {
  const auto loaded = load_after_listener("");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->http2.max_concurrent_streams, 128U);
  EXPECT_EQ(loaded.model->http2.initial_window_bytes, 64U * 1024);
  EXPECT_EQ(loaded.model->http2.max_window_bytes, 16U * 1024 * 1024);
  EXPECT_EQ(loaded.model->http2.cookie_crumbs, 64U);
  EXPECT_EQ(loaded.model->http2.abuse.resets, 200U);
  EXPECT_FALSE(loaded.model->listeners[0].http2);
}

TEST(Http2, every_key_is_read) {
  const auto loaded = load_after_listener(
      "http2: { max_concurrent_streams: 7, initial_window: 128KiB, max_window: 1MiB,\n"
      "  cookie_crumbs: 9, abuse: { window: 2s, resets: 1, provoked_resets: 2,\n"
      "  continuations: 3, settings: 4, pings: 5, priority_updates: 6, empty_data: 0,\n"
      "  window_updates: 8, refused_heads: 9 } }\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  const Http2& http2 = loaded.model->http2;
  EXPECT_EQ(http2.max_concurrent_streams, 7U);
  EXPECT_EQ(http2.initial_window_bytes, 128U * 1024);
  EXPECT_EQ(http2.max_window_bytes, 1024U * 1024);
  EXPECT_EQ(http2.cookie_crumbs, 9U);
  EXPECT_EQ(http2.abuse.window, std::chrono::seconds(2));
  EXPECT_EQ(http2.abuse.resets, 1U);
  EXPECT_EQ(http2.abuse.provoked_resets, 2U);
  EXPECT_EQ(http2.abuse.continuations, 3U);
  EXPECT_EQ(http2.abuse.settings, 4U);
  EXPECT_EQ(http2.abuse.pings, 5U);
  EXPECT_EQ(http2.abuse.priority_updates, 6U);
  EXPECT_EQ(http2.abuse.empty_data, 0U);
  EXPECT_EQ(http2.abuse.window_updates, 8U);
  EXPECT_EQ(http2.abuse.refused_heads, 9U);
}

TEST(Http2, a_window_must_not_begin_larger_than_it_may_grow) {
  EXPECT_EQ(joined(load_after_listener("http2: { initial_window: 1MiB, max_window: 512KiB }\n")),
            "f:2:44: http2.max_window: must not be smaller than initial_window (1048576 bytes)\n");
  EXPECT_EQ(joined(load_after_listener("http2: { initial_window: 17MiB }\n")),
            "f:2:8: http2: must not be smaller than initial_window (17825792 bytes)\n");
}

TEST(Http2, a_field_block_always_has_a_limit) {
  const auto loaded = load_after_listener("http2: { abuse: { continuations: 0 } }\n");
  EXPECT_FALSE(loaded.model);
  EXPECT_NE(joined(loaded).find("http2.abuse.continuations"), std::string::npos) << joined(loaded);
}

}  // namespace
}  // namespace sluice::config
