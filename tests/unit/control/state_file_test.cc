// The file that keeps what the admin API says: its lines, damage, and writing.
#include "control/state_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace sluice::control {
namespace {

const StateKey a{"g", "10.0.0.1:80"};
const StateKey b{"g", "unix:/a b\"\n"};
const StateKey c{"h", "[2001:db8::1]:80"};

StateEntries entries() {
  return {{a, {.registered = 1}},
          {b, {.registered = 0, .weight = 999, .is_draining = true}},
          {c, {.is_draining = true}}};
}

TEST(StateText, what_is_written_is_read) {
  const StateContent content = read_state(state_text(entries()));
  EXPECT_EQ(content.entries, entries());
  EXPECT_EQ(content.lines, 3U);
  EXPECT_FALSE(content.is_damaged());
  EXPECT_FALSE(content.is_torn);
  EXPECT_FALSE(read_state(state_text({})).is_damaged());
}

TEST(StateText, the_last_line_of_a_target_counts) {
  const std::string text =
      state_text(entries()) + state_line(a, {.registered = 7}) + state_line(b, {});
  const StateContent content = read_state(text);
  EXPECT_FALSE(content.is_damaged());
  EXPECT_EQ(content.entries.size(), 2U);
  EXPECT_EQ(content.entries.at(a).registered, 7U);
}

// An append that a crash cut short was not acknowledged.
TEST(StateText, a_torn_last_line_is_dropped_and_is_no_damage) {
  const std::string before = state_text(entries());
  const std::string line = state_line(a, {.registered = 7});
  for (std::size_t size = 1; size < line.size(); ++size) {
    const StateContent content = read_state(before + line.substr(0, size));
    EXPECT_TRUE(content.is_torn);
    EXPECT_FALSE(content.is_damaged()) << size;
    EXPECT_EQ(content.entries, entries());
  }
}

TEST(StateText, a_file_cut_short_within_what_was_there_is_damaged) {
  const std::string text = state_text(entries());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_TRUE(read_state(text.substr(0, size)).is_damaged()) << size;
  }
}

TEST(StateText, every_changed_byte_is_noticed_and_the_other_lines_are_kept) {
  const std::string text = state_text(entries());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char byte : {'\0', '\n', '0', '\xff'}) {
      std::string damaged = text;
      if (damaged[i] == byte) continue;
      damaged[i] = byte;
      const StateContent content = read_state(damaged);
      // The count of the header may become less: then nothing is lost.
      EXPECT_TRUE(content.is_damaged() || content.entries == entries()) << i;
      for (const auto& [key, entry] : content.entries) EXPECT_EQ(entries().at(key), entry);
    }
  }
}

TEST(StateText, a_newer_version_is_not_read) {
  std::string text = state_text(entries());
  text.replace(0, 14, "sluice-state 2");
  const StateContent content = read_state(text);
  EXPECT_TRUE(content.is_from_newer);
  EXPECT_TRUE(content.is_damaged());
  EXPECT_TRUE(content.entries.empty());
}

class StateFileTest : public testing::Test {
 protected:
  StateFileTest() {
    std::string name = std::filesystem::temp_directory_path() / "sluice-state-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~StateFileTest() override { std::filesystem::remove_all(folder_); }

  static std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder_;
  std::string error_;
};

TEST_F(StateFileTest, the_folder_is_made_and_the_file_is_for_its_user_alone) {
  StateFile file(folder_ + "/new", error_);
  ASSERT_TRUE(file.is_open()) << error_;
  EXPECT_FALSE(file.read(error_).has_value());
  EXPECT_EQ(error_, "");
  EXPECT_TRUE(file.needs_replacing());
  EXPECT_EQ(file.replace("one\n").code, 0);
  EXPECT_FALSE(file.needs_replacing());
  EXPECT_EQ(file.append("two\n").code, 0);
  EXPECT_EQ(file.append("three\n").code, 0);
  EXPECT_EQ(file.read(error_), "one\ntwo\nthree\n");
  struct stat status{};
  ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(StateFileTest, a_folder_has_one_user_at_a_time) {
  {
    const StateFile first(folder_, error_);
    const StateFile second(folder_, error_);
    EXPECT_FALSE(second.is_open());
    EXPECT_EQ(error_, "another process uses it");
  }
  EXPECT_TRUE(StateFile(folder_, error_).is_open());
}

TEST_F(StateFileTest, a_file_that_somebody_took_away_is_made_anew) {
  StateFile file(folder_, error_);
  ASSERT_EQ(file.replace("one\n").code, 0);
  std::filesystem::remove(file.path());
  EXPECT_TRUE(file.needs_replacing());
  ASSERT_EQ(file.replace("two\n").code, 0);
  std::ofstream(file.path(), std::ios::app) << "foreign";
  EXPECT_TRUE(file.needs_replacing());
}

TEST_F(StateFileTest, what_is_set_aside_has_a_name_of_its_own) {
  StateFile file(folder_, error_);
  ASSERT_EQ(file.replace("damaged\n").code, 0);
  const std::string first = file.set_aside(error_);
  const std::string second = file.set_aside(error_);
  EXPECT_NE(first, second);
  ASSERT_EQ(file.replace("new\n").code, 0);
  EXPECT_EQ(content_of(first), "damaged\n");
  EXPECT_EQ(content_of(second), "damaged\n");
  EXPECT_EQ(content_of(file.path()), "new\n");
}

TEST_F(StateFileTest, a_folder_that_cannot_be_is_an_error) {
  const StateFile none(folder_ + "/a/b", error_);
  EXPECT_FALSE(none.is_open());
  EXPECT_EQ(error_.find("cannot be made: "), 0U) << error_;
  std::ofstream(folder_ + "/file") << "x";
  const StateFile file(folder_ + "/file", error_);
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(error_.find("cannot be written to: "), 0U) << error_;
}

}  // namespace
}  // namespace sluice::control
