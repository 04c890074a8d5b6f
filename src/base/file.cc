#include "sluice/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace sluice::base {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

std::string last_error() { return std::generic_category().message(errno); }

// `256 KiB`
std::string text_of_size(std::size_t bytes) {
  constexpr std::size_t kibibyte = 1024;
  constexpr std::size_t mebibyte = kibibyte * kibibyte;
  return bytes % mebibyte == 0 ? std::to_string(bytes / mebibyte) + " MiB"
                               : std::to_string(bytes / kibibyte) + " KiB";
}

}  // namespace

std::optional<FileContent> read_file(const std::string& path, std::size_t limit,
                                     std::string& error) {
  // Not blocking: opening a pipe that nobody writes to would hold up the control thread for ever.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) {
    error = last_error();
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode)) {
    error = "not a regular file";
    return std::nullopt;
  }
  FileContent content;
  content.is_readable_by_all = (status.st_mode & S_IROTH) != 0;
  // One byte more, so that one that is too long, or has grown, is seen.
  std::string& bytes = content.bytes;
  bytes.resize(std::min(static_cast<std::size_t>(status.st_size), limit) + 1);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(descriptor.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error = last_error();
      return std::nullopt;
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  if (filled > limit) {
    error = "larger than " + text_of_size(limit);
    return std::nullopt;
  }
  bytes.resize(filled);
  return content;
}

}  // namespace sluice::base
