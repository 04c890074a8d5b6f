#include "observe/log_file.h"

#include <cerrno>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary_directory.h"

namespace sluice::observe {
namespace {

// A pipe with a reader that does not read.
class NamedPipe {
 public:
  explicit NamedPipe(std::string path) : path_(std::move(path)) {
    ::mkfifo(path_.c_str(), 0600);
    reader_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }
  ~NamedPipe() { close_reader(); }
  NamedPipe(const NamedPipe&) = delete;
  NamedPipe& operator=(const NamedPipe&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  void close_reader() {
    if (reader_ >= 0) ::close(reader_);
    reader_ = -1;
  }
  std::size_t read_some() {
    std::string buffer(1 << 20, ' ');
    const ssize_t taken = ::read(reader_, buffer.data(), buffer.size());
    return taken < 0 ? 0 : static_cast<std::size_t>(taken);
  }

 private:
  std::string path_;
  int reader_ = -1;
};

TEST(LogFile, probing_says_what_opening_would_and_makes_no_file) {
  const TemporaryDirectory directory;
  EXPECT_EQ(LogFile::probe(directory.file("log")), "");
  struct stat status{};
  EXPECT_NE(::stat(directory.file("log").c_str(), &status), 0);
  EXPECT_EQ(LogFile::open(directory.file("log")).error, "");
  EXPECT_EQ(LogFile::probe(directory.file("log")), "");
  EXPECT_EQ(LogFile::probe("stdout"), "");
  for (const std::string& wrong :
       {directory.file("none/log"), directory.file("log/log"), directory.file("")}) {
    EXPECT_EQ(LogFile::probe(wrong), LogFile::open(wrong).error) << wrong;
    EXPECT_NE(LogFile::probe(wrong), "");
  }
}

TEST(LogFile, probing_a_pipe_does_not_end_its_reader) {
  const TemporaryDirectory directory;
  NamedPipe pipe(directory.file("pipe"));
  EXPECT_EQ(LogFile::probe(pipe.path()), "");
  EXPECT_EQ(pipe.read_some(), 0U);
  LogFile::Opened opened = LogFile::open(pipe.path());
  ASSERT_EQ(opened.error, "");
  EXPECT_EQ(opened.file.append("still read\n", {}).error, 0);
  EXPECT_GT(pipe.read_some(), 0U);
}

TEST(LogFile, appends_and_creates_for_owner_and_group_only) {
  const TemporaryDirectory directory;
  const mode_t before = ::umask(0);
  LogFile::Opened first = LogFile::open(directory.file("log"));
  ::umask(before);
  ASSERT_EQ(first.error, "");
  EXPECT_EQ(first.file.append("one\n", {}).bytes, 4U);
  LogFile::Opened second = LogFile::open(directory.file("log"));
  EXPECT_EQ(second.file.append("two\n", {}).error, 0);
  EXPECT_EQ(first.file.append("three\n", {}).error, 0);
  EXPECT_EQ(content_of(directory.file("log")), "one\ntwo\nthree\n");
  struct stat status{};
  ASSERT_EQ(::stat(directory.file("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST(LogFile, is_not_inherited_by_other_programs) {
  const TemporaryDirectory directory;
  for (const std::string& path :
       {directory.file("log"), std::string("stdout"), std::string("stderr")}) {
    const LogFile::Opened opened = LogFile::open(path);
    ASSERT_TRUE(opened.file.is_open()) << path;
    EXPECT_NE(::fcntl(opened.file.descriptor(), F_GETFD) & FD_CLOEXEC, 0) << path;
  }
}

TEST(LogFile, a_path_that_cannot_be_opened_is_named_in_the_message) {
  const TemporaryDirectory directory;
  const LogFile::Opened opened = LogFile::open(directory.file("none/log"));
  EXPECT_FALSE(opened.file.is_open());
  EXPECT_EQ(opened.error, directory.file("none/log") + ": No such file or directory");
}

TEST(LogFile, a_pipe_without_a_reader_is_refused_at_once) {
  const TemporaryDirectory directory;
  NamedPipe pipe(directory.file("pipe"));
  pipe.close_reader();
  EXPECT_EQ(LogFile::open(pipe.path()).error, pipe.path() + ": No such device or address");
}

TEST(LogFile, a_full_disk_is_an_error) {
  const LogFile::Opened opened = LogFile::open("/dev/full");
  ASSERT_EQ(opened.error, "");
  const LogFile::Written written = opened.file.append("line\n", {});
  EXPECT_EQ(written.bytes, 0U);
  EXPECT_EQ(written.error, ENOSPC);
}

TEST(LogFile, a_full_pipe_is_given_up_after_the_time_allowed) {
  const TemporaryDirectory directory;
  const NamedPipe pipe(directory.file("pipe"));
  const LogFile::Opened opened = LogFile::open(pipe.path());
  const LogFile::Written written = opened.file.append(std::string(1 << 20, 'x'), {-1, 0});
  EXPECT_GT(written.bytes, 0U);
  EXPECT_LT(written.bytes, std::size_t{1} << 20);
  EXPECT_EQ(written.error, ETIMEDOUT);
}

TEST(LogFile, a_wait_for_room_ends_when_the_wake_descriptor_is_readable) {
  const TemporaryDirectory directory;
  const NamedPipe pipe(directory.file("pipe"));
  const LogFile::Opened opened = LogFile::open(pipe.path());
  const Descriptor wake(::eventfd(1, EFD_CLOEXEC));
  EXPECT_EQ(opened.file.append(std::string(1 << 20, 'x'), {wake.number(), -1}).error, ECANCELED);
}

TEST(LogFile, a_wait_for_room_goes_on_when_the_reader_reads) {
  const TemporaryDirectory directory;
  NamedPipe pipe(directory.file("pipe"));
  LogFile::Opened opened = LogFile::open(pipe.path());
  opened.file.wait_before_each_write();
  constexpr std::size_t size = 1 << 20;
  std::size_t received = 0;
  std::thread reader([&] {
    while (received < size) received += pipe.read_some();
  });
  const LogFile::Written written = opened.file.append(std::string(size, 'x'), {});
  reader.join();
  EXPECT_EQ(written.error, 0);
  EXPECT_EQ(received, size);
}

}  // namespace
}  // namespace sluice::observe
