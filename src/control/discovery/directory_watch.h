// Tells that something changed in the directories that a file's name goes through (inotify).
//
// Also the directory that the name leads to in the end, through symbolic links. Where the system
// does not tell (network file systems, no watch to be had), whoever uses it looks now and then.
// Control thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

namespace sluice::control::discovery {

class DirectoryWatch {
 public:
  // `changed` is called from the loop; never after the end of this.
  DirectoryWatch(boost::asio::io_context& context, std::function<void()> changed);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // Watches the directories of this file, and no others.
  void follow(const std::string& path);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::control::discovery
