#include "sluice/observe/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include "observe/log_file.h"

namespace sluice::observe {
namespace {

constexpr std::size_t queue_lines = 1024;  // spdlog allocates them all at once, 400 bytes each
constexpr int stall_patience_milliseconds = 1000;  // for one line; none for those that follow it
constexpr const char* line_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";

std::unique_ptr<spdlog::formatter> make_formatter() {
  return std::make_unique<spdlog::pattern_formatter>(line_pattern, spdlog::pattern_time_type::utc);
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 0x0f];
}

// Last defence of "one line each": a control byte that got here in spite of `escaped`.
std::string without_control_bytes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      append_escape(out, c);
    } else {
      out += c;
    }
  }
  return out;
}

// Writes each line at once. Its descriptor number stays the same for its whole life: `replace` lets
// the kernel exchange the file behind it, so no lock is needed between the control and the writing
// thread.
class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit FileSink(LogFile file) : file_(std::move(file)) {
    file_.wait_before_each_write();  // `replace` may put a pipe in the place of a file
    set_formatter_(make_formatter());
  }

  void replace(const LogFile& file) { ::dup3(file.descriptor(), file_.descriptor(), O_CLOEXEC); }
  // `pool` is the one whose thread calls this sink: it joins that thread before it goes. (A shared
  // pointer taken there could turn out to be the last one, and the thread would join itself.)
  void watch_overruns(spdlog::details::thread_pool& pool) { pool_ = &pool; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (!write_line({line.data(), line.size()})) ++lost_;
    say_lost();
  }
  void flush_() override {}

  bool write_line(std::string_view line) {
    const Patience patience{-1, stalled_ ? 0 : stall_patience_milliseconds};
    const LogFile::Written written = file_.append(line, patience);
    stalled_ = written.error == ETIMEDOUT;
    return written.error == 0;
  }

  // A log with a gap says so, as soon as it can be written.
  void say_lost() {
    const std::size_t lost = lost_ + pool_->overrun_counter();
    if (lost == said_lost_) return;
    const std::string text = std::to_string(lost - said_lost_) +
                             " lines of this log were lost: it could not be written fast enough";
    spdlog::memory_buf_t line;
    formatter_->format({spdlog::source_loc{}, "", spdlog::level::warn, text}, line);
    if (write_line({line.data(), line.size()})) said_lost_ = lost;
  }

  LogFile file_;
  bool stalled_ = false;
  std::size_t lost_ = 0;
  std::size_t said_lost_ = 0;
  spdlog::details::thread_pool* pool_ = nullptr;
};

// What exists between open_log and close_log.
struct Open {
  std::shared_ptr<FileSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;  // one thread
  std::shared_ptr<spdlog::async_logger> logger;
};

struct State {
  std::atomic<Level> level{Level::info};
  std::mutex mutex;
  Open open;         // guarded by mutex
  std::string path;  // guarded by mutex
};

// Never destroyed: other threads may log while static objects are.
State& state() {
  static State& instance = *std::make_unique<State>().release();
  return instance;
}

std::shared_ptr<spdlog::async_logger> current_logger() {
  const std::lock_guard lock(state().mutex);
  return state().open.logger;
}

void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "error-log");
}

Open start(LogFile file) {
  Open result;
  result.sink = std::make_shared<FileSink>(std::move(file));
  result.pool = std::make_shared<spdlog::details::thread_pool>(queue_lines, 1, block_all_signals);
  result.sink->watch_overruns(*result.pool);
  result.logger = std::make_shared<spdlog::async_logger>(
      "", result.sink, result.pool, spdlog::async_overflow_policy::overrun_oldest);
  result.logger->set_level(spdlog::level::trace);  // `log` has decided already
  return result;
}

Level level_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Level>, 5> names = {{{"debug", Level::debug},
                                                                        {"info", Level::info},
                                                                        {"warn", Level::warning},
                                                                        {"warning", Level::warning},
                                                                        {"error", Level::error}}};
  const auto* const found =
      std::ranges::find(names, name, &std::pair<std::string_view, Level>::first);
  return found == names.end() ? Level::info : found->second;
}

// Before open_log and after close_log: at once, by the caller.
void write_to_stderr(Level level, std::string_view text) {
  spdlog::memory_buf_t line;
  make_formatter()->format({spdlog::source_loc{}, "", spdlog_level(level), text}, line);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

OpenedLogFile open_log_file(const std::string& path, std::string& error) {
  LogFile::Opened opened = LogFile::open(path);
  error = std::move(opened.error);
  return error.empty() ? std::make_shared<LogFile>(std::move(opened.file)) : nullptr;
}

std::string probe_log_file(const std::string& path) { return LogFile::probe(path); }

void use_log(const config::ErrorLog& settings, const OpenedLogFile& file) {
  state().level.store(level_of(settings.level), std::memory_order_relaxed);
  try {
    const std::lock_guard lock(state().mutex);
    if (state().open.sink) {
      state().open.sink->replace(*file);
    } else {
      state().open = start(std::move(*file));
    }
    state().path = settings.path;
  } catch (const std::exception& error) {  // no thread could be started
    write_to_stderr(Level::error, "the error log stays on stderr: " + std::string(error.what()));
  }
}

std::string open_log(const config::ErrorLog& settings) {
  std::string error;
  const OpenedLogFile file = open_log_file(settings.path, error);
  if (file != nullptr) use_log(settings, file);
  return error;
}

std::string reopen_log() {
  const std::lock_guard lock(state().mutex);
  if (!state().open.sink) return {};
  const LogFile::Opened opened = LogFile::open(state().path);
  if (opened.error.empty()) state().open.sink->replace(opened.file);
  return opened.error;
}

void close_log() {
  Open closing;
  {
    const std::lock_guard lock(state().mutex);
    closing = std::exchange(state().open, {});
  }
  closing.logger.reset();
  closing.pool.reset();  // writes what is queued, then joins its thread
}

void log(Level level, std::string_view text) {
  if (!log_enabled(level)) return;
  const bool clean = std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!clean) return log(level, without_control_bytes(text));
  const auto logger = current_logger();
  if (!logger) return write_to_stderr(level, text);
  logger->log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
}

bool log_enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed); }

std::string escaped(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\'' || c == '\\') {
      append_escape(out, c);
    } else {
      out += c;
    }
  }
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace sluice::observe
