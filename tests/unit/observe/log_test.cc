#include "sluice/observe/log.h"

#include <filesystem>
#include <regex>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary_directory.h"

namespace sluice::observe {
namespace {

// The log is one for the process: each test leaves it closed and at its usual level.
class Log : public testing::Test {
 protected:
  ~Log() override {
    config::ErrorLog usual;
    EXPECT_EQ(open_log(usual), "");
    close_log();
  }
  void open(const std::string& path, const std::string& level = "info") {
    config::ErrorLog settings;
    settings.path = path;
    settings.level = level;
    ASSERT_EQ(open_log(settings), "");
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("error.log");
};

TEST_F(Log, a_line_has_the_time_the_level_and_the_text) {
  open(path_, "debug");
  log(Level::warning, "disk {} is full: 90%");
  close_log();
  const std::string content = content_of(path_);
  EXPECT_TRUE(std::regex_match(
      content,
      std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning disk \{\} is full: 90%\n)")))
      << content;
}

TEST_F(Log, levels_are_named_and_lower_ones_left_out) {
  open(path_, "warn");
  EXPECT_FALSE(log_enabled(Level::info));
  EXPECT_TRUE(log_enabled(Level::warning));
  log(Level::debug, "one");
  log(Level::info, "two");
  log(Level::warning, "three");
  log(Level::error, "four");
  close_log();
  const std::string content = content_of(path_);
  EXPECT_EQ(content.find("one"), std::string::npos);
  EXPECT_EQ(content.find("two"), std::string::npos);
  EXPECT_NE(content.find("Z warning three\n"), std::string::npos);
  EXPECT_NE(content.find("Z error four\n"), std::string::npos);
}

TEST_F(Log, a_line_feed_in_a_text_does_not_make_a_second_line_T25) {
  open(path_);
  log(Level::info, "a\nb\x1b[31m");
  close_log();
  EXPECT_TRUE(content_of(path_).ends_with("Z info a\\x0Ab\\x1B[31m\n")) << content_of(path_);
}

TEST_F(Log, a_renamed_file_is_left_after_reopening) {
  open(path_);
  log(Level::info, "before");
  std::filesystem::rename(path_, path_ + ".1");
  EXPECT_EQ(reopen_log(), "");
  log(Level::info, "after");
  close_log();
  const std::string both = content_of(path_ + ".1") + content_of(path_);
  EXPECT_NE(both.find("before"), std::string::npos);
  EXPECT_NE(content_of(path_).find("after"), std::string::npos);
}

TEST_F(Log, a_path_that_cannot_be_opened_is_reported_and_the_former_kept) {
  open(path_);
  config::ErrorLog wrong;
  wrong.path = directory_.file("none/error.log");
  EXPECT_EQ(open_log(wrong), wrong.path + ": No such file or directory");
  log(Level::info, "still here");
  close_log();
  EXPECT_NE(content_of(path_).find("still here"), std::string::npos);
}

TEST_F(Log, a_reader_that_does_not_read_neither_blocks_the_caller_nor_the_end) {
  const std::string pipe = directory_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  open(pipe);
  const std::string line(400, 'x');
  for (int i = 0; i < 5000; ++i) log(Level::info, line);  // twenty times what fits
  close_log();
  std::string received(1 << 20, ' ');
  const ssize_t size = ::read(reader, received.data(), received.size());
  EXPECT_GT(size, 0);
  EXPECT_LT(size, 5000 * 400);
  ::close(reader);
}

TEST_F(Log, before_it_is_opened_the_caller_writes_to_stderr) {
  testing::internal::CaptureStderr();
  log(Level::error, "early");
  const std::string captured = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(captured.ends_with("Z error early\n")) << captured;
}

TEST(LogEscaped, whatever_is_not_plain_text_is_hexadecimal) {
  EXPECT_EQ(escaped("GET /a b"), "GET /a b");
  EXPECT_EQ(escaped("a\"b'c\\d\r\n\x7f\xe2\x82\xac"),
            "a\\x22b\\x27c\\x5Cd\\x0D\\x0A\\x7F\\xE2\\x82\\xAC");
  EXPECT_EQ(escaped(std::string_view("\0", 1)), "\\x00");
}

TEST(LogEscaped, a_long_text_is_cut_and_marked) {
  EXPECT_EQ(escaped("abcdef", 6), "abcdef");
  EXPECT_EQ(escaped("abcdefg", 6), "abcdef...");
  EXPECT_EQ(escaped(std::string(1000, 'a')).size(), 256U + 3);
}

}  // namespace
}  // namespace sluice::observe
