// The listening socket of the admin listener, and its file when it is a Unix socket.
#pragma once

#include <sys/types.h>

#include <string>

#include "sluice/net/endpoint.h"
#include "sluice/net/listener.h"

namespace sluice::control {

// Owns the descriptor and the file. Not shared with other processes (no SO_REUSEPORT): a second
// instance on the same address must hear that it is in use.
class AdminSocket {
 public:
  AdminSocket() = default;
  ~AdminSocket() { remove_file(); }
  AdminSocket(AdminSocket&& other) noexcept;
  AdminSocket& operator=(AdminSocket&& other) noexcept;

  // Listens on a loopback address or a path; empty text, or why not. A socket file that nobody
  // listens on is replaced. Others cannot connect to the new one at any moment: mode 0600.
  [[nodiscard]] std::string open(const net::Endpoint& endpoint, bool has_tokens = false);
  [[nodiscard]] int release_descriptor() { return descriptor_.release(); }

  [[nodiscard]] const net::Endpoint& bound() const { return bound_; }  // with the real port
  // It was opened for `endpoint` or is bound to it, and nobody has taken its file away.
  [[nodiscard]] bool serves(const net::Endpoint& endpoint) const;

 private:
  [[nodiscard]] std::string bind(const net::Endpoint& endpoint);
  [[nodiscard]] bool file_is_ours() const;
  void remove_file();

  net::OwnedFd descriptor_;
  net::Endpoint requested_;
  net::Endpoint bound_;
  std::string path_;  // of the file; empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice::control
