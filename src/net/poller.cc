#include "sluice/net/poller.h"

#include <unistd.h>

#include <boost/system/system_error.hpp>
#include <cerrno>

#include "sluice/base/prefetch.h"

namespace sluice::net {

Descriptor::Descriptor(Poller& poller, int fd) : poller_(poller), fd_(fd) {
  if (fd_ >= 0 && !poller_.add(*this)) {
    ::close(fd_);
    fd_ = -1;
  }
}

Descriptor::~Descriptor() { close(); }

void Descriptor::close() {
  if (fd_ < 0) return;
  poller_.remove(*this);
  ::close(fd_);
  fd_ = -1;
  may_read_ = may_write_ = false;
}

namespace {

int make_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) {
    throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  }
  return fd;
}

}  // namespace

Poller::Poller(asio::io_context& context, std::function<void()> before_events)
    : epoll_(context, make_epoll()), before_events_(std::move(before_events)) {
  watch();
}

Poller::~Poller() = default;

void Poller::stop() {
  boost::system::error_code ignored;  // nothing can be done about a failing close
  epoll_.close(ignored);
}

bool Poller::add(Descriptor& descriptor) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &descriptor;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor.fd_, &event) == 0;
}

void Poller::remove(Descriptor& descriptor) {
  // Closing takes it out of the set only when no duplicate is open: the workers' listening sockets
  // can be duplicates of each other, or of one that the service manager keeps (epoll(7), questions
  // 6).
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, descriptor.fd_, nullptr);
  // Events already fetched are to be forgotten, too.
  if (dispatching_ == &descriptor) dispatching_ = nullptr;
  for (int i = next_event_; i < event_count_; ++i) {
    epoll_event& event = events_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &descriptor) event.data.ptr = nullptr;
  }
}

void Poller::watch() {
  epoll_.async_wait(asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (error) return;  // stopped
                      turn();
                      if (epoll_.is_open()) watch();
                    });
}

void Poller::turn() {
  for (int i = 0; i < waits_per_turn && epoll_.is_open(); ++i) {
    const int count = ::epoll_wait(epoll_.native_handle(), events_.data(), events_per_wait, 0);
    if (count <= 0) return;
    before_events_();
    dispatch(count);
    // A lone event is the sign of a quiet loop: asking again would most likely find nothing.
    if (count == 1) return;
  }
}

// The descriptor of the next event; by then what this one does has pushed it out of the cache.
void Poller::prefetch_next() const {
  if (next_event_ >= event_count_) return;
  const void* const next = events_[static_cast<std::size_t>(next_event_)].data.ptr;
  base::prefetch({static_cast<const char*>(next), sizeof(Descriptor)});
}

void Poller::dispatch(int count) {
  event_count_ = count;
  for (next_event_ = 0; next_event_ < event_count_;) {
    const epoll_event& event = events_[static_cast<std::size_t>(next_event_++)];
    if (event.data.ptr == nullptr) continue;
    Descriptor& descriptor = *static_cast<Descriptor*>(event.data.ptr);
    prefetch_next();
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) descriptor.hung_up_ = true;
    if ((event.events & EPOLLERR) != 0 || (event.events & (EPOLLHUP | EPOLLIN)) == EPOLLHUP) {
      descriptor.reset_ = true;
    }
    const bool writable = (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      descriptor.may_read_ = true;
    }
    if (writable) descriptor.may_write_ = true;
    dispatching_ = &descriptor;
    if (descriptor.may_read_) descriptor.reader.fire(Wake::ready);
    // Resuming the reader may have destroyed the descriptor.
    if (dispatching_ == &descriptor && writable) descriptor.writer.fire(Wake::ready);
    dispatching_ = nullptr;
  }
  event_count_ = next_event_ = 0;
}

}  // namespace sluice::net
