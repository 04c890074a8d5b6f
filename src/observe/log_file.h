// A file, pipe, terminal or socket that a log appends to.
//
// No call waits longer than its caller allows, except for a regular file on a disk that stalls: the
// kernel offers no way to write to one without that.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace sluice::observe {

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// How long a write may wait for room: until `wake_descriptor` can be read (-1: never), or so many
// milliseconds (-1: for ever).
struct Patience {
  int wake_descriptor = -1;
  int milliseconds = -1;
};

class LogFile {
 public:
  struct Opened;
  // `bytes` were taken; then `error`, an errno: 0 when that is all, ECANCELED when the wake
  // descriptor became readable, ETIMEDOUT when the time was over.
  struct Written {
    std::size_t bytes = 0;
    int error = 0;
  };

  LogFile() = default;

  // Opens for append, and creates with mode 0640. "stdout" and "stderr" are the process' own. A
  // named pipe must have a reader.
  [[nodiscard]] static Opened open(const std::string& path);
  // The error that `open` would give, or empty. Makes no file; a pipe without a reader goes
  // unnoticed.
  [[nodiscard]] static std::string probe(const std::string& path);

  // For one whose descriptor will be made to name other files.
  void wait_before_each_write() { may_block_ = true; }

  [[nodiscard]] bool is_open() const { return descriptor_.is_open(); }
  [[nodiscard]] int descriptor() const { return descriptor_.number(); }
  [[nodiscard]] Written append(std::string_view bytes, Patience patience) const;

 private:
  Descriptor descriptor_;
  bool may_block_ = false;  // a write of any size could wait for a reader, see `append`
};

struct LogFile::Opened {
  LogFile file;
  std::string error;  // "PATH: what the system says", or empty
};

}  // namespace sluice::observe
