#include "sluice/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sluice::base {
namespace {

class File : public ::testing::Test {
 protected:
  File() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-file-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder_ = name;
  }
  ~File() override { std::filesystem::remove_all(folder_); }

  std::string write(std::string_view bytes) {
    const std::string path = folder_ / "file";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  std::filesystem::path folder_;
  std::string error_;
};

TEST_F(File, is_read_whole_up_to_the_limit) {
  const std::string bytes(4096, 'x');
  const auto content = read_file(write(bytes), bytes.size(), error_);
  ASSERT_TRUE(content) << error_;
  EXPECT_EQ(content->bytes, bytes);
  EXPECT_FALSE(read_file(write(bytes), bytes.size() - 1024, error_));
  EXPECT_EQ(error_, "larger than 3 KiB");
}

TEST_F(File, may_be_empty) {
  const auto content = read_file(write(""), 10, error_);
  ASSERT_TRUE(content) << error_;
  EXPECT_EQ(content->bytes, "");
}

TEST_F(File, says_who_may_read_it) {
  const std::string path = write("x");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_FALSE(read_file(path, 10, error_)->is_readable_by_all);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(read_file(path, 10, error_)->is_readable_by_all);
}

TEST_F(File, that_is_missing_or_no_file_is_refused_at_once) {
  EXPECT_FALSE(read_file(folder_ / "nothing", 10, error_));
  EXPECT_EQ(error_, "No such file or directory");
  EXPECT_FALSE(read_file(folder_, 10, error_));
  EXPECT_EQ(error_, "not a regular file");
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_file(pipe, 10, error_)) << "nobody writes to it: reading would wait for ever";
  EXPECT_EQ(error_, "not a regular file");
}

}  // namespace
}  // namespace sluice::base
