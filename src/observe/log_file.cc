#include "observe/log_file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::observe {
namespace {

// A pipe that polls as writable has room for at least so much.
constexpr std::size_t slice_bytes = PIPE_BUF;

// 0, ECANCELED, ETIMEDOUT or poll's error.
int wait_for_room(int descriptor, Patience patience) {
  pollfd descriptors[2] = {{descriptor, POLLOUT, 0}, {patience.wake_descriptor, POLLIN, 0}};
  while (true) {
    const int ready = ::poll(descriptors, 2, patience.milliseconds);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    if (descriptors[0].revents != 0) return 0;  // also its errors: the write then says which
    return ECANCELED;
  }
}

// `more`: O_CREAT or nothing.
int open_descriptor(const std::string& path, int more) {
  if (path == "stdout") return ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  if (path == "stderr") return ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  // O_NONBLOCK: without it, opening and writing a named pipe waits for its reader.
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | more, 0640);
}

std::string error_at(const std::string& path) {
  return path + ": " + std::generic_category().message(errno);
}

// Opening and closing a pipe would end its reader.
bool is_pipe(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

// Files can be made in the folder of `path`, or errno says why not.
bool folder_takes_files(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return ::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

bool is_regular(int descriptor) {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

LogFile::Opened LogFile::open(const std::string& path) {
  Opened result;
  const int number = open_descriptor(path, O_CREAT);
  if (number < 0) {
    result.error = error_at(path);
    return result;
  }
  result.file.descriptor_ = Descriptor(number);
  // stdout and stderr are shared with other processes, so they stay as blocking as they are.
  const bool shared = path == "stdout" || path == "stderr";
  result.file.may_block_ = shared && !is_regular(number);
  return result;
}

std::string LogFile::probe(const std::string& path) {
  if (is_pipe(path)) {
    const bool may_write = ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
    return may_write ? std::string() : error_at(path);
  }
  const Descriptor existing(open_descriptor(path, 0));
  if (existing.is_open()) return {};
  const bool could_be_made = errno == ENOENT && folder_takes_files(path);
  return could_be_made ? std::string() : error_at(path);
}

LogFile::Written LogFile::append(std::string_view bytes, Patience patience) const {
  Written written;
  const int number = descriptor_.number();
  while (written.bytes < bytes.size() && written.error == 0) {
    std::string_view rest = bytes.substr(written.bytes);
    if (may_block_) {
      written.error = wait_for_room(number, patience);
      if (written.error != 0) break;
      rest = rest.substr(0, slice_bytes);
    }
    const ssize_t taken = ::write(number, rest.data(), rest.size());
    if (taken > 0) {
      written.bytes += static_cast<std::size_t>(taken);
    } else if (taken == 0) {
      written.error = EIO;  // no system we know does it; a loop without end would be worse
    } else if (errno == EAGAIN) {
      written.error = wait_for_room(number, patience);
    } else if (errno != EINTR) {
      written.error = errno;
    }
  }
  return written;
}

}  // namespace sluice::observe
