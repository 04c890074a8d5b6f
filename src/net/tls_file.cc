#include "net/tls_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sluice::net {
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

// Reads at most `size` bytes, which may be fewer when the file shrinks meanwhile.
std::string read_up_to(int descriptor, std::size_t size, std::string& bytes) {
  bytes.resize(size);
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(descriptor, bytes.data() + filled, size - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error();
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return {};
}

}  // namespace

void TlsFile::read(const std::string& path) {
  // Not blocking: opening a pipe that nobody writes to would hold up the control thread for ever.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) {
    error = last_error();
  } else if (!S_ISREG(status.st_mode)) {
    error = "not a regular file";
  } else if (static_cast<std::size_t>(status.st_size) > largest) {
    error = "larger than 8 MiB";
  } else {
    is_readable_by_all = (status.st_mode & S_IROTH) != 0;
    error = read_up_to(descriptor.get(), static_cast<std::size_t>(status.st_size), bytes);
  }
}

BioPointer TlsFile::open() const {
  return BioPointer(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

}  // namespace sluice::net
