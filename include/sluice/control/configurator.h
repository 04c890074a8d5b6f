// From a file to running workers: load, validate, open what has to be opened, publish.
//
// All or nothing: any error leaves the old configuration serving, whole. Everything that can fail
// is done before anything changes. Owns what outlives a configuration on the control side: the
// registry of targets, the ticket keys, the bound sockets. Control thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/control/admin.h"
#include "sluice/control/discovery.h"
#include "sluice/control/events.h"
#include "sluice/control/key_fetcher.h"
#include "sluice/control/listener_sockets.h"
#include "sluice/control/member_publisher.h"
#include "sluice/control/membership.h"
#include "sluice/control/registrations.h"
#include "sluice/control/targets.h"
#include "sluice/observe/access_log.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/proxy/worker.h"

namespace sluice::control {

class Configurator {
 public:
  struct Parts {
    boost::asio::io_context& context;
    std::size_t worker_count;
    PostToWorker post;
    AdminServer& admin;
    observe::AccessLogWriter& access_log;
    observe::Cells& cells;
    Targets& targets;
    Events& events;
    PassedSockets passed_sockets;
    KeyFetcher* keys = nullptr;  // null: nobody fetches keys
    // All or none. None: the targets are those of the configuration.
    Membership* membership = nullptr;
    MemberPublisher* publisher = nullptr;
    Discovery* discovery = nullptr;
    Registrations* registrations = nullptr;  // null: state_dir is not looked at
  };

  Configurator(std::string path, Parts parts);
  // The same with text in place of a file, for `sluice demo`; a reload then changes nothing.
  Configurator(std::string name, std::string text, Parts parts);

  // The first configuration. Problems go to `problems`; on success `done` runs when every worker
  // serves.
  [[nodiscard]] bool start(config::Problems& problems, std::function<void()> done);

  // Reads the file again. Counts, logs every problem, keeps the old one on any; `done(success)`
  // runs when every worker has the new configuration, or at once on failure. One at a time: a
  // reload asked for while one is under way follows it.
  void reload(std::function<void(bool success)> done);

  // The same for the configuration in force, whose file is not read: the files of TLS are. Only
  // while no reload is under way.
  void reload_tls(std::function<void(bool success)> done);
  [[nodiscard]] bool is_busy() const { return busy_; }

  // Whether the files of TLS hold what is in force. `problems` says why they cannot be loaded.
  // Listeners and target groups with `watch_interval: 0` are passed over. Changes nothing.
  enum class TlsFiles : std::uint8_t { same, changed, broken };
  [[nodiscard]] TlsFiles look_at_tls_files(config::Problems& problems);

  [[nodiscard]] const std::shared_ptr<const proxy::Snapshot>& current() const { return current_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }
  // Of the last reload, warnings too.
  [[nodiscard]] const std::vector<std::string>& last_problems() const { return last_problems_; }
  void rotate_ticket_keys() { ticket_keys_.rotate(); }
  // A drain begins: sockets that only the control thread would still hold are closed. Reloads that
  // wait are forgotten, and none may be asked for any more.
  void drain();

 private:
  struct Prepared;
  class PlannedMembers;
  [[nodiscard]] std::optional<config::Model> load(config::Problems& problems) const;
  [[nodiscard]] bool apply(config::Problems& problems, std::function<void()> done);
  void check_workers(const config::Model& model, config::Problems& problems) const;
  void open_state(const config::Model& model, config::Problems& problems) const;
  [[nodiscard]] Prepared prepare(config::Model model, config::Problems& problems);
  void open(Prepared& prepared, config::Problems& problems) const;
  void commit(Prepared& prepared, std::function<void()> done);
  void use_services(const Prepared& prepared);
  void publish(Prepared& prepared, std::function<void()> done);
  void finished(bool success, const std::function<void(bool)>& done);

  std::string path_;
  std::string text_;  // used instead of the file when not empty
  Parts parts_;
  ListenerSockets sockets_;
  target::Registry targets_;
  net::TicketKeys ticket_keys_;
  std::shared_ptr<const proxy::Snapshot> current_;
  std::uint32_t configured_workers_ = 0;  // by the first configuration; 0: auto
  std::string last_error_;
  std::vector<std::string> last_problems_;
  bool busy_ = false;
  bool tls_only_ = false;                           // the reload that begins reads no configuration
  std::optional<config::Model> as_read_;            // what is in force, before ports were filled in
  std::vector<std::function<void(bool)>> waiting_;  // reloads asked for meanwhile
};

// What `sluice check` does: everything `start` would, without opening or changing anything. An
// address in use is a warning: the instance that uses this very file may have it.
void check(const std::string& path, config::Problems& problems);

}  // namespace sluice::control
