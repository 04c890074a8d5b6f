#include "sluice/observe/access_log.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/chunk_lane.h"
#include "sluice/observe/log.h"
#include "temporary_directory.h"

namespace sluice::observe {
namespace {

using config::AccessLogFormat;

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    config::ErrorLog settings;
    settings.path = directory_.file("error.log");
    EXPECT_EQ(open_log(settings), "");
  }
  ~AccessLogTest() override { close_log(); }

  [[nodiscard]] config::AccessLog settings(std::string path,
                                           std::uint64_t buffer_bytes = 1 << 20) const {
    config::AccessLog result;
    result.path = std::move(path);
    result.buffer_bytes = buffer_bytes;
    return result;
  }

  std::unique_ptr<AccessLog> worker() {
    auto log = std::make_unique<AccessLog>(*writer_, registry_.add_cells());
    log->set_format(AccessLogFormat::json, true);
    return log;
  }

  // A line that can be told from others by `id`.
  static void append(AccessLog& log, const std::string& id) {
    AccessRecord record;
    record.request_id = id;
    log.append(record);
  }

  // Ends the thread, once it has counted so many lines as written or dropped. The end itself has a
  // patience of one second, after which it gives up what is queued: too little on a busy machine.
  void finish(double lines) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (written() + dropped() < lines && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    writer_.reset();
  }

  [[nodiscard]] double written() const { return registry_.sum(Metric::access_log_lines_total); }
  [[nodiscard]] double dropped() const { return registry_.sum(Metric::access_log_dropped_total); }
  [[nodiscard]] std::string error_log() {
    close_log();
    return content_of(directory_.file("error.log"));
  }

  // The ids of all lines in their order; a line that is not whole fails the test.
  static std::vector<std::string> ids(const std::string& content) {
    std::vector<std::string> result;
    std::istringstream lines(content);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_TRUE(line.starts_with("{\"time\":") && line.ends_with("}")) << line;
      constexpr std::string_view key = R"("request_id":")";
      const std::size_t start = line.find(key);
      if (start == std::string::npos) continue;
      const std::size_t first = start + key.size();
      result.push_back(line.substr(first, line.find('"', first) - first));
    }
    EXPECT_TRUE(content.empty() || content.ends_with("\n"));
    return result;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("access.log");
  Registry registry_;
  std::unique_ptr<AccessLogWriter> writer_ = std::make_unique<AccessLogWriter>(registry_);
};

// A pipe with a reader that reads only when told to.
class StalledReader {
 public:
  explicit StalledReader(const std::string& path) {
    ::mkfifo(path.c_str(), 0600);
    reader_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }
  ~StalledReader() {
    if (reader_ >= 0) ::close(reader_);
  }
  StalledReader(const StalledReader&) = delete;
  StalledReader& operator=(const StalledReader&) = delete;

  // From now on, until the writer closes its end.
  std::string read_to_the_end() {
    ::fcntl(reader_, F_SETFL, 0);
    std::string result;
    std::string buffer(1 << 16, ' ');
    while (true) {
      const ssize_t taken = ::read(reader_, buffer.data(), buffer.size());
      if (taken <= 0) return result;
      result.append(buffer, 0, static_cast<std::size_t>(taken));
    }
  }
  void go_away() {
    ::close(reader_);
    reader_ = -1;
  }

 private:
  int reader_ = -1;
};

// --- the ordinary way

TEST_F(AccessLogTest, lines_of_several_workers_are_written_whole_and_in_each_ones_order) {
  ASSERT_EQ(writer_->reconfigure(settings(path_, 64 << 20)), "");
  constexpr int lines_each = 20'000;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([log = worker(), thread] {
      for (int i = 0; i < lines_each; ++i) {
        append(*log, std::to_string(thread) + ":" + std::to_string(i));
        if (i % 97 == 0) log->flush();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  finish(3.0 * lines_each);
  std::vector<int> next(3);
  for (const std::string& id : ids(content_of(path_))) {
    const auto thread = static_cast<std::size_t>(id[0] - '0');
    EXPECT_EQ(std::stoi(id.substr(2)), next.at(thread)++);
  }
  EXPECT_EQ(next, std::vector<int>(3, lines_each));
  EXPECT_EQ(written(), 3.0 * lines_each);
  EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, an_end_that_is_not_enabled_writes_nothing) {
  ASSERT_EQ(writer_->reconfigure(settings(path_)), "");
  auto log = worker();
  log->set_format(AccessLogFormat::json, false);
  append(*log, "no");
  log->set_format(AccessLogFormat::combined, true);
  append(*log, "yes");
  log.reset();
  finish(1);
  EXPECT_EQ(content_of(path_), "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 000 0 \"-\" \"-\"\n");
}

TEST_F(AccessLogTest, a_line_larger_than_the_rest_of_a_chunk_is_not_cut) {
  ASSERT_EQ(writer_->reconfigure(settings(path_, 16 << 20)), "");
  auto log = worker();
  const std::string large(8000, '\x01');
  AccessRecord record;
  record.target = large;
  constexpr int lines = 50;  // 48 kB each
  for (int i = 0; i < lines; ++i) log->append(record);
  log.reset();
  finish(lines);
  const std::string content = content_of(path_);
  ids(content);
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), lines);
  EXPECT_GT(content.size(), std::size_t{lines} * 48'000);
}

TEST_F(AccessLogTest, without_a_file_lines_vanish_uncounted) {
  auto log = worker();
  append(*log, "nowhere");
  log.reset();
  finish(0);
  EXPECT_EQ(written() + dropped(), 0);
}

// --- files that change

TEST_F(AccessLogTest, no_line_is_lost_when_the_file_is_renamed_and_reopened) {
  ASSERT_EQ(writer_->reconfigure(settings(path_, 64 << 20)), "");
  auto log = worker();
  constexpr int rotations = 40;
  constexpr int lines_each = 500;
  for (int rotation = 0; rotation < rotations; ++rotation) {
    for (int i = 0; i < lines_each; ++i) append(*log, std::to_string(rotation * lines_each + i));
    log->flush();
    std::filesystem::rename(path_, path_ + "." + std::to_string(rotation));
    ASSERT_EQ(writer_->reopen(), "");
  }
  log.reset();
  finish(rotations * lines_each);
  std::set<int> seen;
  std::size_t lines = 0;
  for (int rotation = 0; rotation <= rotations; ++rotation) {
    const std::string name = rotation < rotations ? path_ + "." + std::to_string(rotation) : path_;
    for (const std::string& id : ids(content_of(name))) {
      seen.insert(std::stoi(id));
      ++lines;
    }
  }
  EXPECT_EQ(seen.size(), std::size_t{rotations} * lines_each);
  EXPECT_EQ(lines, seen.size()) << "and none is there twice";
}

TEST_F(AccessLogTest, a_path_that_cannot_be_opened_is_reported_and_the_former_kept) {
  ASSERT_EQ(writer_->reconfigure(settings(path_)), "");
  const std::string wrong = directory_.file("none/access.log");
  EXPECT_EQ(writer_->reconfigure(settings(wrong)), wrong + ": No such file or directory");
  auto log = worker();
  append(*log, "kept");
  log.reset();
  finish(1);
  EXPECT_EQ(ids(content_of(path_)), std::vector<std::string>{"kept"});
}

TEST_F(AccessLogTest, reopening_in_a_directory_that_is_gone_keeps_the_open_file) {
  const std::string folder = directory_.file("folder");
  const std::string moved = directory_.file("moved");
  std::filesystem::create_directory(folder);
  ASSERT_EQ(writer_->reconfigure(settings(folder + "/access.log")), "");
  std::filesystem::rename(folder, moved);
  EXPECT_EQ(writer_->reopen(), folder + "/access.log: No such file or directory");
  auto log = worker();
  append(*log, "kept");
  log.reset();
  finish(1);
  EXPECT_EQ(ids(content_of(moved + "/access.log")), std::vector<std::string>{"kept"});
}

TEST_F(AccessLogTest, turning_it_off_writes_what_is_queued_first) {
  ASSERT_EQ(writer_->reconfigure(settings(path_)), "");
  auto log = worker();
  append(*log, "queued");
  log->flush();
  ASSERT_EQ(writer_->reconfigure(settings("")), "");
  EXPECT_EQ(writer_->reopen(), "") << "nothing to reopen";
  log.reset();
  finish(1);
  EXPECT_EQ(ids(content_of(path_)), std::vector<std::string>{"queued"});
}

TEST_F(AccessLogTest, stdout_is_a_path) {
  testing::internal::CaptureStdout();
  ASSERT_EQ(writer_->reconfigure(settings("stdout")), "");
  auto log = worker();
  append(*log, "here");
  log.reset();
  finish(1);
  EXPECT_EQ(ids(testing::internal::GetCapturedStdout()), std::vector<std::string>{"here"});
}

// --- disks that fail

TEST_F(AccessLogTest, on_a_full_disk_lines_are_dropped_counted_and_said_once) {
  ASSERT_EQ(writer_->reconfigure(settings("/dev/full", 64 << 20)), "");
  auto log = worker();
  constexpr int lines = 2000;
  for (int i = 0; i < lines; ++i) {
    append(*log, std::to_string(i));
    if (i % 100 == 0) log->flush();
  }
  log.reset();
  finish(lines);
  EXPECT_EQ(dropped(), lines);
  EXPECT_EQ(written(), 0);
  const std::string errors = error_log();
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  EXPECT_NE(errors.find(" error access log /dev/full: No space left on device; lines are dropped"),
            std::string::npos)
      << errors;
}

// The limit on a file's size stands for a disk that becomes full within a line, and then has room
// again.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(AccessLogTest, a_line_that_was_written_in_part_does_not_spoil_the_next_one) {
  ASSERT_EQ(writer_->reconfigure(settings(path_)), "");
  constexpr rlim_t room = 2500;
  {
    const FileSizeLimit limit(room);
    auto log = worker();
    for (int i = 0; i < 20; ++i) append(*log, "early");
    log.reset();
    while (written() + dropped() < 20) std::this_thread::yield();
  }
  const double early = written();
  EXPECT_GT(early, 0);
  EXPECT_LT(early, 20);
  auto log = worker();
  append(*log, "late");
  log.reset();
  finish(21);
  std::istringstream lines(content_of(path_));
  std::vector<std::string> whole;
  std::vector<std::string> torn;
  for (std::string line; std::getline(lines, line);)
    (line.ends_with("}") ? whole : torn).push_back(line);
  EXPECT_EQ(static_cast<double>(whole.size()), early + 1);
  EXPECT_EQ(torn.size(), 1U);
  EXPECT_NE(whole.back().find("late"), std::string::npos);
  EXPECT_EQ(written() + dropped(), 21);
  const std::string errors = error_log();
  EXPECT_NE(errors.find("File too large"), std::string::npos) << errors;
  EXPECT_NE(errors.find(" info access log " + path_ + ": can be written again"), std::string::npos);
}

TEST_F(AccessLogTest, a_reader_that_went_away_does_not_kill_the_process) {
  const std::string pipe = directory_.file("pipe");
  StalledReader reader(pipe);
  ASSERT_EQ(writer_->reconfigure(settings(pipe)), "");
  reader.go_away();
  auto log = worker();
  append(*log, "to nobody");
  log.reset();
  finish(1);
  EXPECT_EQ(dropped(), 1);
  EXPECT_NE(error_log().find("Broken pipe"), std::string::npos);
}

// --- disks that stall

class StalledAccessLog : public AccessLogTest {
 protected:
  // Appends until lines are dropped: then pipe, queue and the open chunk are full.
  int append_until_dropped(AccessLog& log) {
    int appended = 0;
    constexpr int far_beyond_all_buffers = 1'000'000;
    while (dropped_by_worker_.value() == 0 && appended < far_beyond_all_buffers) {
      append(log, std::to_string(appended++));
    }
    return appended;
  }
  std::unique_ptr<AccessLog> stalled_worker() {
    auto log = std::make_unique<AccessLog>(*writer_, cells_);
    log->set_format(AccessLogFormat::json, true);
    return log;
  }

  std::string pipe_ = directory_.file("pipe");
  StalledReader reader_{pipe_};
  static constexpr std::uint64_t buffer_bytes = 4 * Chunk::full_bytes;
  Cells& cells_ = registry_.add_cells();
  Counter& dropped_by_worker_ = cells_.counter(Metric::access_log_dropped_total);
};

TEST_F(StalledAccessLog, a_worker_does_not_wait_and_what_is_dropped_is_counted_and_said_once) {
  ASSERT_EQ(writer_->reconfigure(settings(pipe_, buffer_bytes)), "");
  auto log = stalled_worker();
  int appended = append_until_dropped(*log);
  EXPECT_EQ(dropped_by_worker_.value(), 1U) << "and that call returned";
  for (int i = 0; i < 100; ++i) append(*log, std::to_string(appended++));
  EXPECT_EQ(dropped_by_worker_.value(), 101U);

  std::string received;
  std::thread reading([&] { received = reader_.read_to_the_end(); });
  log.reset();
  finish(appended);
  reading.join();
  const std::vector<std::string> lines = ids(received);
  EXPECT_EQ(lines.size(), static_cast<std::size_t>(appended) - 101);
  EXPECT_EQ(lines.back(), std::to_string(appended - 102)) << "the oldest lines are kept";
  EXPECT_EQ(written(), appended - 101);
  EXPECT_EQ(dropped(), 101);
  const std::string errors = error_log();
  EXPECT_NE(errors.find(" warning access log: cannot be written fast enough"), std::string::npos);
  EXPECT_NE(errors.find(" info access log: keeping up again"), std::string::npos);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 2) << errors;
}

TEST_F(StalledAccessLog, the_queue_holds_no_more_than_was_configured) {
  ASSERT_EQ(writer_->reconfigure(settings(pipe_, buffer_bytes)), "");
  auto log = stalled_worker();
  const int appended = append_until_dropped(*log);
  std::string received;
  std::thread reading([&] { received = reader_.read_to_the_end(); });
  log.reset();
  finish(appended);
  reading.join();
  // The queue, the open chunk, and what the pipe held before it was full.
  constexpr std::size_t pipe_capacity = std::size_t{64} * 1024;
  EXPECT_GT(received.size(), buffer_bytes);
  EXPECT_LE(received.size(), buffer_bytes + 2 * Chunk::full_bytes + pipe_capacity);
}

TEST_F(StalledAccessLog, ticks_during_a_stall_lose_nothing_that_the_queue_can_hold) {
  ASSERT_EQ(writer_->reconfigure(settings(pipe_, buffer_bytes)), "");
  auto log = stalled_worker();
  constexpr int lines = 400;  // about 200 kB: less than the queue alone holds
  for (int i = 0; i < lines; ++i) {
    append(*log, std::to_string(i));
    log->flush();
  }
  EXPECT_EQ(dropped(), 0);
  std::string received;
  std::thread reading([&] { received = reader_.read_to_the_end(); });
  log.reset();
  finish(lines);
  reading.join();
  EXPECT_EQ(ids(received).size(), std::size_t{lines});
}

TEST_F(StalledAccessLog,
       another_file_ends_the_stall_and_gets_every_line_that_is_not_whole_in_the_pipe) {
  ASSERT_EQ(writer_->reconfigure(settings(pipe_, buffer_bytes)), "");
  auto log = stalled_worker();
  const int appended = append_until_dropped(*log);
  ASSERT_EQ(writer_->reconfigure(settings(path_, buffer_bytes)), "");
  log.reset();
  finish(appended);
  std::string in_pipe = reader_.read_to_the_end();
  in_pipe.resize(in_pipe.rfind('\n') + 1);  // after it: a line in part
  std::vector<std::string> all = ids(in_pipe);
  const std::vector<std::string> in_file = ids(content_of(path_));
  EXPECT_FALSE(in_file.empty());
  all.insert(all.end(), in_file.begin(), in_file.end());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(appended) - 1);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], std::to_string(i));
}

// The end leaves a writer that gives up 100 ms to count. On a busy machine it may run later than
// that, so it has several attempts to show that it counts at all.
TEST_F(AccessLogTest, an_end_during_a_stall_does_not_wait_for_ever_and_counts_what_it_gave_up) {
  bool is_counted = false;
  for (int attempt = 0; attempt < 20 && !is_counted; ++attempt) {
    const std::string pipe = directory_.file("pipe-" + std::to_string(attempt));
    const StalledReader reader(pipe);
    Registry registry;
    Cells& cells = registry.add_cells();
    auto writer = std::make_unique<AccessLogWriter>(registry);
    ASSERT_EQ(writer->reconfigure(settings(pipe, 4 * Chunk::full_bytes)), "");
    auto log = std::make_unique<AccessLog>(*writer, cells);
    log->set_format(AccessLogFormat::json, true);
    int appended = 0;
    while (registry.sum(Metric::access_log_dropped_total) == 0 && appended < 1'000'000) {
      append(*log, std::to_string(appended++));
    }
    log.reset();
    writer.reset();
    const double written = registry.sum(Metric::access_log_lines_total);
    const double dropped = registry.sum(Metric::access_log_dropped_total);
    is_counted = written > 0 && dropped > 1 && written + dropped == appended;
  }
  EXPECT_TRUE(is_counted);
}

}  // namespace
}  // namespace sluice::observe
