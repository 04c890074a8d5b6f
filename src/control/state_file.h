// The file in `state_dir` that keeps what the admin API says of targets.
//
// A journal: a header, then a line for each change, which says all that is known of one target from
// there on, behind a checksum. What is written counts once it is synced. Now and then, and at each
// start that finds something to tidy, it is replaced as a whole: a new file, synced, renamed over
// the old one, the folder synced.
//
// A line that a crash cut short at the end was never acknowledged, and is dropped. A file that is
// damaged elsewhere, or of a newer version, is set aside under another name; of a damaged one the
// lines that are whole are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/net/listener.h"

namespace sluice::control {

// What the admin API says of one target.
struct StateEntry {
  std::optional<std::uint32_t> registered;  // with that weight, 0..999
  std::optional<std::uint32_t> weight;      // whoever names it, 0..999
  bool is_draining = false;

  [[nodiscard]] bool says_nothing() const { return !registered && !weight && !is_draining; }
  bool operator==(const StateEntry&) const = default;
};

using StateKey = std::pair<std::string, std::string>;  // group, id of the target
using StateEntries = std::map<StateKey, StateEntry>;

// With its line end.
[[nodiscard]] std::string state_line(const StateKey& key, const StateEntry& entry);
// A whole file.
[[nodiscard]] std::string state_text(const StateEntries& entries);

struct StateContent {
  StateEntries entries;
  std::size_t lines = 0;       // whole ones, behind the header
  std::size_t damaged = 0;     // lines passed over
  bool is_torn = false;        // the last line is not whole
  bool is_from_newer = false;  // nothing of it was read
  bool is_header_bad = false;
  std::size_t missing = 0;  // lines that the header speaks of

  [[nodiscard]] bool is_damaged() const {
    return damaged > 0 || missing > 0 || is_header_bad || is_from_newer;
  }
};
[[nodiscard]] StateContent read_state(std::string_view text);

// One of them in the process for each folder; another process that has the folder is kept out by a
// lock. Not for two threads at a time.
class StateFile {
 public:
  // What an error of writing means to whoever asked.
  struct Failure {
    int code = 0;  // errno; 0: it worked
    std::string text;
    [[nodiscard]] bool is_full() const;  // no room: ENOSPC, EDQUOT, EFBIG
  };

  // Makes the folder (mode 0700, not its parents) where there is none, and takes the lock. Not
  // `is_open` with `error` set when that fails.
  StateFile(std::string folder, std::string& error);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  [[nodiscard]] bool is_open() const { return lock_.is_valid(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  // The whole file; empty optional: there is none, or, with `error` set, it cannot be read.
  [[nodiscard]] std::optional<std::string> read(std::string& error) const;
  // Gives the file a second name, which it keeps when it is replaced: `.damaged-TIME`, returned.
  [[nodiscard]] std::string set_aside(std::string& error) const;

  // Nothing can be appended before the next `replace`: there is no file yet, or a fault left it in
  // doubt, or somebody has taken it away.
  [[nodiscard]] bool needs_replacing() const;
  // On failure the file is as it was.
  [[nodiscard]] Failure replace(std::string_view text);
  [[nodiscard]] Failure append(std::string_view lines);

 private:
  std::string folder_;
  std::string path_;
  net::OwnedFd lock_;
  net::OwnedFd file_;
  std::int64_t size_ = 0;
  bool is_in_doubt_ = false;
};

}  // namespace sluice::control
