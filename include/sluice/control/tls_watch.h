// Looks after the files of TLS while they are in use: takes over what changed on the disk, and
// tells of certificates that come to their end.
//
// A look compares what the system says of each file (size, times, inode), the bytes only when that
// changed and then stayed the same for one interval: whoever writes a certificate and its key is
// given time to finish. Files that cannot be loaded then are reported once, until they change
// again; the old ones stay in use. No connection of a client is touched. Control thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "sluice/control/configurator.h"
#include "sluice/observe/metrics.h"

namespace sluice::control {

class TlsWatch {
 public:
  TlsWatch(boost::asio::io_context& context, Configurator& configurator, observe::Cells& cells);
  TlsWatch(const TlsWatch&) = delete;
  TlsWatch& operator=(const TlsWatch&) = delete;

  // Once the first configuration is in force; for ever, until `stop`.
  void start();
  void stop();

  // Everything that is due now. For `start` and tests.
  void look(std::chrono::steady_clock::time_point now);

 private:
  // Size, device, inode, modified, changed; all 0: no such file.
  using Stamp = std::array<std::int64_t, 7>;
  using Stamps = std::map<std::string, Stamp>;

  void wait();
  void show_expiry(const proxy::Snapshot& snapshot);
  void warn_of_expiry(const proxy::Snapshot& snapshot) const;
  void look_at_files();
  [[nodiscard]] std::chrono::milliseconds interval() const;
  [[nodiscard]] static Stamp stamp_of(const std::string& path);
  [[nodiscard]] Stamps stamps() const;

  Configurator& configurator_;
  observe::Cells& cells_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  std::uint64_t revision_ = 0;  // that expiry was told of
  std::chrono::steady_clock::time_point next_warning_{};
  std::chrono::steady_clock::time_point next_look_{};
  std::uint32_t failures_ = 0;                           // reloads in a row
  Stamps last_;                                          // of the last look
  Stamps settled_;                                       // of what is in force, or was reported
  std::set<std::pair<std::string, std::string>> shown_;  // listener, file
};

}  // namespace sluice::control
