// A worker with real sockets on the test's own thread: scripted clients on one side, scripted
// targets on the other, configurations from YAML, and time that passes when the test says so.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/observe/access_log.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/password_verifier.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/proxy/worker.h"
#include "sluice/target/registry.h"
#include "support/peer.h"

namespace sluice::support {

class ProxyRig {
 public:
  ProxyRig();
  ~ProxyRig();  // ends what is left
  ProxyRig(const ProxyRig&) = delete;
  ProxyRig& operator=(const ProxyRig&) = delete;

  // Builds a snapshot and gives it to the worker, with a socket for each listener that is new. The
  // text has a line for each thing; listeners bind to 127.0.0.1:0.
  void apply(const std::string& yaml);
  // Only builds, after the former one.
  [[nodiscard]] std::shared_ptr<const proxy::Snapshot> build(const std::string& yaml,
                                                             config::Problems& problems);

  [[nodiscard]] Peer client(const std::string& listener = "web");
  // Waits for the next connection to a target.
  [[nodiscard]] Peer accepted_by(Server& target);
  // Waits until the peer has received a text that ends so.
  [[nodiscard]] bool receives(Peer& peer, std::string_view end);
  [[nodiscard]] bool ends(Peer& peer);
  [[nodiscard]] bool waits_for(const std::function<bool()>& done) {
    return run_until(worker().loop(), done);
  }
  void settle() { support::settle(worker().loop()); }
  void pass_time(std::chrono::milliseconds time) { support::pass_time(worker().loop(), time); }

  [[nodiscard]] proxy::Worker& worker() { return *worker_; }
  [[nodiscard]] const std::shared_ptr<const proxy::Snapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] double count(observe::Metric metric, observe::LabelValues labels = {}) const {
    return metrics_.sum(metric, labels);
  }

 private:
  observe::Registry metrics_;
  observe::AccessLogWriter log_writer_;
  target::Registry targets_;
  net::TicketKeys ticket_keys_;
  std::shared_ptr<const proxy::Snapshot> snapshot_;
  std::map<std::string, net::Endpoint> bound_;
  proxy::PasswordVerifier passwords_{0};  // without threads: what is asked waits for ever
  std::unique_ptr<proxy::Worker> worker_;
};

// One listener "web" that forwards everything to the group "targets" with these targets; `more` are
// further sections, `group` further keys of the group in flow style (", pool: { max_idle: 1 }").
[[nodiscard]] std::string forward_all(const std::vector<std::uint16_t>& ports,
                                      const std::string& more = {}, const std::string& group = {});

}  // namespace sluice::support
