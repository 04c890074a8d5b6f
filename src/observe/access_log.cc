// Three parts, from the worker's line to the disk:
//
//   AccessLog   formats into its open chunk        worker thread
//   ChunkLane   carries chunks, one lane a worker  (chunk_lane.h)
//   Writer      appends them to the file           writer thread, told by the control thread
#include "sluice/observe/access_log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "observe/access_log_format.h"
#include "observe/chunk_lane.h"
#include "observe/log_file.h"
#include "sluice/observe/log.h"

namespace sluice::observe {
namespace {

constexpr std::chrono::milliseconds stop_patience{1000};

// One chunk being written and one that waits: with less, a worker that is faster than one wake-up
// of the writer would drop lines on the best of disks.
constexpr std::uint64_t least_buffer_bytes = 2 * Chunk::full_bytes;

// Lets one thread sleep in poll until another one has something for it. Signals that come before
// the sleeper has looked are one: a busy writer costs the workers no system calls.
class Wake {
 public:
  Wake() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!descriptor_.is_open()) throw std::system_error(errno, std::generic_category(), "eventfd");
  }

  void signal() {
    if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(descriptor_.number(), &one, sizeof one);
  }
  // The sleeper, before it looks for what there is to do: whatever comes after wakes it again.
  void clear() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(descriptor_.number(), &count, sizeof count);
    signalled_.exchange(false, std::memory_order_acq_rel);
  }
  [[nodiscard]] int descriptor() const { return descriptor_.number(); }

 private:
  Descriptor descriptor_;
  std::atomic<bool> signalled_{false};
};

// Where the line begins that `offset` lies in.
std::size_t start_of_line(std::string_view text, std::size_t offset) {
  const std::size_t line_feed = text.substr(0, offset).rfind('\n');
  return line_feed == std::string_view::npos ? 0 : line_feed + 1;
}

class Writer {
 public:
  explicit Writer(Registry& registry) : Writer(registry.add_cells()) {}

  // --- control thread
  void use(const config::AccessLog& settings, const OpenedLogFile& file);
  [[nodiscard]] std::string reopen();
  // True when the thread has ended or is about to; false: stuck in the kernel, and cut off from the
  // registry.
  [[nodiscard]] bool stop();

  // --- workers
  [[nodiscard]] std::shared_ptr<ChunkLane> add_lane();
  [[nodiscard]] std::uint64_t buffer_bytes() const {
    return buffer_bytes_.load(std::memory_order_relaxed);
  }
  void chunk_waits() { work_.signal(); }
  void say_stalled();

  // --- writer thread
  void run();

 private:
  struct File {
    LogFile file;
    std::string path;  // empty: off
  };

  explicit Writer(Cells& cells)
      : lines_(cells.counter(Metric::access_log_lines_total)),
        dropped_(cells.counter(Metric::access_log_dropped_total)) {}

  void offer(File file);
  void turn_off();

  [[nodiscard]] bool drain();
  void write(const Chunk& chunk);
  [[nodiscard]] LogFile::Written append(std::string_view bytes);
  [[nodiscard]] bool adopt_next_file();
  void turn_off_if_asked();
  [[nodiscard]] Patience patience() const;
  void succeeded(const Chunk& chunk);
  void failed(const Chunk& chunk, std::size_t offset, int error);
  void count(std::uint64_t written, std::uint64_t dropped);
  void say_keeping_up();
  void wait();

  // Shared.
  Wake work_;     // chunks wait
  Wake control_;  // another file, or the end; also interrupts a write that waits
  std::atomic<bool> stopping_{false};
  std::atomic<bool> stalled_{false};
  std::atomic<std::uint64_t> buffer_bytes_{0};
  base::SteadyTime deadline_;  // written before stopping_
  std::promise<void> finished_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<ChunkLane>> lanes_;  // guarded by mutex_
  std::optional<File> next_file_;                  // guarded by mutex_
  bool turn_off_ = false;   // guarded by mutex_; after `next_file_`, when idle
  bool abandoned_ = false;  // guarded by mutex_; the registry may be gone
  Counter& lines_;          // touched under mutex_, for the same reason
  Counter& dropped_;        // touched under mutex_

  // Control thread only.
  std::string path_;

  // Writer thread only.
  File file_;
  bool torn_ = false;     // the file ends within a line: an earlier write failed there
  bool failing_ = false;  // said on the error log
  std::vector<std::shared_ptr<ChunkLane>> drained_lanes_;
  std::vector<Chunk> batch_;
};

// --- control thread -----------------------------------------------------------------------------

void Writer::use(const config::AccessLog& settings, const OpenedLogFile& file) {
  path_ = settings.path;
  if (file == nullptr) return turn_off();
  buffer_bytes_.store(std::max(settings.buffer_bytes, least_buffer_bytes),
                      std::memory_order_relaxed);
  offer({std::move(*file), path_});
}

std::string Writer::reopen() {
  if (path_.empty()) return {};
  LogFile::Opened opened = LogFile::open(path_);
  if (!opened.error.empty()) return opened.error;
  offer({std::move(opened.file), path_});
  return {};
}

void Writer::offer(File file) {
  std::optional<File> not_adopted(std::move(file));
  {
    const std::lock_guard lock(mutex_);
    next_file_.swap(not_adopted);
    turn_off_ = false;
  }
  control_.signal();
}

void Writer::turn_off() {
  {
    const std::lock_guard lock(mutex_);
    turn_off_ = true;
  }
  control_.signal();
}

bool Writer::stop() {
  auto finished = finished_.get_future();
  deadline_ = base::Steady::now() + stop_patience;
  stopping_.store(true, std::memory_order_release);
  control_.signal();
  if (finished.wait_until(deadline_ + stop_patience / 10) == std::future_status::ready) return true;
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  return false;
}

// --- workers ------------------------------------------------------------------------------------

std::shared_ptr<ChunkLane> Writer::add_lane() {
  auto lane = std::make_shared<ChunkLane>();
  const std::lock_guard lock(mutex_);
  lanes_.push_back(lane);
  return lane;
}

void Writer::say_stalled() {
  if (stalled_.load(std::memory_order_relaxed) || stalled_.exchange(true)) return;
  log(Level::warning, "access log: cannot be written fast enough, lines are dropped");
}

// --- writer thread ------------------------------------------------------------------------------

void Writer::run() {
  while (true) {
    work_.clear();
    control_.clear();
    const bool last_round = stopping_.load(std::memory_order_acquire);
    if (drain()) continue;
    turn_off_if_asked();
    say_keeping_up();
    if (last_round) break;
    wait();
  }
  finished_.set_value();
}

// True when there was anything to write.
bool Writer::drain() {
  {
    const std::lock_guard lock(mutex_);
    drained_lanes_ = lanes_;
  }
  bool any = false;
  for (const auto& lane : drained_lanes_) {
    const bool last = lane->is_closed();
    lane->take(batch_);
    for (Chunk& chunk : batch_) {
      write(chunk);
      lane->give_back(std::move(chunk));
      any = true;
    }
    batch_.clear();
    if (!last) continue;
    const std::lock_guard lock(mutex_);
    std::erase(lanes_, lane);
  }
  drained_lanes_.clear();
  return any;
}

void Writer::write(const Chunk& chunk) {
  [[maybe_unused]] const bool changed = adopt_next_file();
  if (!file_.file.is_open()) return;  // the log is off
  std::size_t offset = 0;
  while (true) {
    const LogFile::Written written = append(chunk.text().substr(offset));
    offset += written.bytes;
    if (written.error == 0) return succeeded(chunk);
    if (written.error != ECANCELED) return failed(chunk, offset, written.error);
    // Interrupted while waiting for room. A new file gets the line that the old one has in part.
    control_.clear();
    if (adopt_next_file()) offset = start_of_line(chunk.text(), offset);
  }
}

LogFile::Written Writer::append(std::string_view bytes) {
  if (torn_) {
    const LogFile::Written written = file_.file.append("\n", patience());
    if (written.error != 0) return {0, written.error};
    torn_ = false;
  }
  return file_.file.append(bytes, patience());
}

// Takes the file that was offered, if any.
bool Writer::adopt_next_file() {
  std::unique_lock lock(mutex_);
  if (!next_file_) return false;
  const File former = std::exchange(file_, std::move(*next_file_));
  next_file_.reset();
  torn_ = false;
  lock.unlock();  // closing the former one may take its time
  return true;
}

// Called when nothing waits: what was queued has been written.
void Writer::turn_off_if_asked() {
  [[maybe_unused]] const bool changed = adopt_next_file();
  std::unique_lock lock(mutex_);
  if (!std::exchange(turn_off_, false)) return;
  const File former = std::exchange(file_, {});
  lock.unlock();
}

Patience Writer::patience() const {
  if (!stopping_.load(std::memory_order_acquire)) return {control_.descriptor(), -1};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - base::Steady::now());
  return {-1, static_cast<int>(std::max<std::int64_t>(0, left.count()))};
}

void Writer::succeeded(const Chunk& chunk) {
  count(chunk.lines, 0);
  if (!std::exchange(failing_, false)) return;
  log(Level::info, "access log " + file_.path + ": can be written again");
}

void Writer::failed(const Chunk& chunk, std::size_t offset, int error) {
  const std::string_view rest = chunk.text().substr(offset);
  const auto lost = static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
  count(chunk.lines - lost, lost);
  if (offset > 0) torn_ = chunk.text()[offset - 1] != '\n';
  if (std::exchange(failing_, true)) return;
  log(Level::error, "access log " + file_.path + ": " + std::generic_category().message(error) +
                        "; lines are dropped until it can be written again");
}

void Writer::count(std::uint64_t written, std::uint64_t dropped) {
  const std::lock_guard lock(mutex_);
  if (abandoned_) return;
  lines_.add(written);
  dropped_.add(dropped);
}

// Only when nothing waits any more, or a slow disk would fill the error log too.
void Writer::say_keeping_up() {
  if (!stalled_.exchange(false)) return;
  log(Level::info, "access log: keeping up again");
}

void Writer::wait() {
  pollfd descriptors[2] = {{work_.descriptor(), POLLIN, 0}, {control_.descriptor(), POLLIN, 0}};
  ::poll(descriptors, 2, -1);  // whatever it says, the caller looks
}

// Signals are for the main thread; SIGPIPE becomes EPIPE. A thread inherits the mask of its maker.
std::thread start_without_signals(std::shared_ptr<Writer> writer) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([writer = std::move(writer)] { writer->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), "access-log");
  return thread;
}

}  // namespace

// --- AccessLogWriter ----------------------------------------------------------------------------

// The writer is shared with its thread and the workers' ends: a thread that a dead disk holds in
// the kernel must find it when the disk comes back.
struct AccessLogWriter::Impl {
  std::shared_ptr<Writer> writer;
  std::thread thread;
};

AccessLogWriter::AccessLogWriter(Registry& registry) : impl_(std::make_unique<Impl>()) {
  impl_->writer = std::make_shared<Writer>(registry);
  impl_->thread = start_without_signals(impl_->writer);
}

AccessLogWriter::~AccessLogWriter() {
  if (impl_->writer->stop()) {
    impl_->thread.join();
  } else {
    impl_->thread.detach();
  }
}

void AccessLogWriter::use(const config::AccessLog& settings, const OpenedLogFile& file) {
  impl_->writer->use(settings, file);
}

std::string AccessLogWriter::reconfigure(const config::AccessLog& settings) {
  std::string error;
  OpenedLogFile file;
  if (!settings.path.empty()) file = open_log_file(settings.path, error);
  if (error.empty()) use(settings, file);
  return error;
}

std::string AccessLogWriter::reopen() { return impl_->writer->reopen(); }

// --- AccessLog ----------------------------------------------------------------------------------

struct AccessLog::Impl {
  std::shared_ptr<Writer> writer;
  std::shared_ptr<ChunkLane> lane;
  Counter& dropped;
  LineFormatter formatter;
  Chunk chunk = Chunk::allocate();
  config::AccessLogFormat format = config::AccessLogFormat::json;
  bool enabled = false;

  // False when the queue is full.
  [[nodiscard]] bool try_hand_over() {
    if (!lane->has_room(chunk.size, writer->buffer_bytes())) return false;
    hand_over();
    return true;
  }

  void hand_over() {
    lane->exchange(chunk);
    writer->chunk_waits();
  }

  void drop_line() {
    dropped.add();
    writer->say_stalled();
  }

  [[nodiscard]] char* format_line(const AccessRecord& record, char* out) {
    switch (format) {
      case config::AccessLogFormat::json: return formatter.json(record, out);
      case config::AccessLogFormat::combined: return formatter.combined(record, out);
    }
    return out;
  }
};

AccessLog::AccessLog(AccessLogWriter& writer, Cells& cells)
    : impl_(std::make_unique<Impl>(writer.impl_->writer, writer.impl_->writer->add_lane(),
                                   cells.counter(Metric::access_log_dropped_total))) {}

AccessLog::~AccessLog() {
  if (impl_->chunk.lines > 0) impl_->hand_over();
  impl_->lane->close();
  impl_->writer->chunk_waits();
}

void AccessLog::set_format(config::AccessLogFormat format, bool enabled) {
  impl_->format = format;
  impl_->enabled = enabled;
}

void AccessLog::append(const AccessRecord& record) {
  Impl& impl = *impl_;
  if (!impl.enabled) return;
  Chunk& chunk = impl.chunk;
  if (chunk.is_full() && !impl.try_hand_over()) return impl.drop_line();
  const char* const end = impl.format_line(record, chunk.bytes.get() + chunk.size);
  chunk.size = static_cast<std::size_t>(end - chunk.bytes.get());
  ++chunk.lines;
}

void AccessLog::flush() {
  if (impl_->chunk.lines == 0 || impl_->lane->is_behind()) return;
  [[maybe_unused]] const bool later_if_not = impl_->try_hand_over();
}

}  // namespace sluice::observe
