#include "control/discovery/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "sluice/observe/log.h"

namespace sluice::control::discovery {

namespace {

// Writing alone is no change: who writes in place has not finished before the file is closed.
constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                  IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

std::set<std::string> directories_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::set<std::string> all;
  const auto add = [&all](const fs::path& file) {
    const fs::path directory = file.parent_path();
    all.insert(directory.empty() ? "." : directory.string());
  };
  add(path);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (!error) add(real);
  return all;
}

}  // namespace

// Outlives the watch while a wait is under way.
class DirectoryWatch::State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& context, std::function<void()> changed)
      : changed_(std::move(changed)), descriptor_(context) {
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd >= 0) {
      descriptor_.assign(fd);
    } else {
      observe::log(observe::Level::warning, "inotify: " + std::generic_category().message(errno) +
                                                "; files are looked at now and then");
    }
  }

  void follow(const std::string& path) {
    if (!descriptor_.is_open()) return;
    const std::set<std::string> wanted = directories_of(path);
    std::set<int> used;
    for (const std::string& directory : wanted) {
      // The same directory gives the same number; one that came anew under its name another.
      const int number =
          ::inotify_add_watch(descriptor_.native_handle(), directory.c_str(), changes);
      if (number >= 0) used.insert(number);
    }
    for (const int number : watched_) {
      if (!used.contains(number)) {
        (void)::inotify_rm_watch(descriptor_.native_handle(), number);
      }
    }
    watched_ = std::move(used);
    if (!is_waiting_) wait();
  }

  void close() {
    changed_ = nullptr;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

 private:
  void wait() {
    is_waiting_ = true;
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& error) {
                             self->is_waiting_ = false;
                             if (!error) self->read();
                           });
  }

  // What the events say does not matter: whoever is told looks for himself.
  void read() {
    if (!descriptor_.is_open()) return;
    alignas(inotify_event) char buffer[4096];
    while (::read(descriptor_.native_handle(), buffer, sizeof buffer) > 0) {
    }
    wait();
    if (changed_) changed_();
  }

  std::function<void()> changed_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::set<int> watched_;
  bool is_waiting_ = false;
};

DirectoryWatch::DirectoryWatch(boost::asio::io_context& context, std::function<void()> changed)
    : state_(std::make_shared<State>(context, std::move(changed))) {}

DirectoryWatch::~DirectoryWatch() { state_->close(); }

void DirectoryWatch::follow(const std::string& path) { state_->follow(path); }

}  // namespace sluice::control::discovery
