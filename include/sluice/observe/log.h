// The error log: what an operator should know, one line each, through spdlog.
//
// The only door of spdlog. Any thread. Lines go through spdlog's bounded asynchronous queue to a
// thread of its own: a caller never waits for the disk, and when the queue is full the oldest line
// is lost (the log says how many). Before `open_log` and after `close_log` the caller writes to
// stderr itself. A line is `2026-11-21T04:30:00.123Z level text`. Text from peers must pass
// `escaped` first (T25).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/config/model.h"

namespace sluice::observe {

enum class Level : std::uint8_t { debug, info, warning, error };

class LogFile;
// A file that was opened for the error log or the access log, and is in use by neither yet. It
// closes with its last holder. Control thread.
using OpenedLogFile = std::shared_ptr<LogFile>;
// Opens for append, and creates. Null on failure, with `error` "PATH: what the system says".
[[nodiscard]] OpenedLogFile open_log_file(const std::string& path, std::string& error);
// What open_log_file would say; empty: it would work. Makes no file. A pipe without a reader goes
// unnoticed.
[[nodiscard]] std::string probe_log_file(const std::string& path);

// From now on the log is in `file`, and has the level of `settings`. Cannot fail: without a thread
// for it the caller of `log` goes on writing to stderr. Control thread.
void use_log(const config::ErrorLog& settings, const OpenedLogFile& file);
// Both in one: opens the log, or changes its file and level; returns the system's message on
// failure, and then keeps the former one. Control thread.
[[nodiscard]] std::string open_log(const config::ErrorLog& settings);
// USR1: opens the same path anew; on failure as above. Control thread.
[[nodiscard]] std::string reopen_log();
// Writes what is queued, waiting at most a second for a reader that stalls, and ends the writing
// thread.
void close_log();

void log(Level level, std::string_view text);
[[nodiscard]] bool log_enabled(Level level);

// Control characters, quotes, backslashes and bytes over 0x7e as \xHH. Of a longer text the first
// `most` bytes and "...".
[[nodiscard]] std::string escaped(std::string_view text, std::size_t most = 256);

}  // namespace sluice::observe
