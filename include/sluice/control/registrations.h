// What operators say of targets through the admin API: registrations, weights, drains; and the file
// that keeps it over restarts.
//
// A change is written and synced before it counts and before its `done` is called; one write is
// under way at a time, on a thread of its own, and changes that come meanwhile share the next. When
// a write fails, none of its changes has happened. Without a folder nothing is written, and what
// was said ends with the process. Control thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/config/load.h"
#include "sluice/control/events.h"
#include "sluice/control/membership.h"
#include "sluice/net/endpoint.h"

namespace sluice::control {

struct TargetChange {
  enum class Kind : std::uint8_t { add, modify, remove };

  Kind kind = Kind::add;
  std::string group;
  std::string id;                       // of the target: its canonical address
  net::Endpoint endpoint;               // of one that is added
  std::optional<std::uint32_t> weight;  // 0..999; of one that is added, nothing: 1, or as it is
  bool ends_weight = false;             // modify: the weight of its source counts again
  std::optional<bool> is_draining;      // modify
  std::string who;                      // for the log, as it may stand there
};

struct TargetChanged {
  enum class Result : std::uint8_t {
    added,
    modified,
    unchanged,
    removed,       // it drains
    unregistered,  // but others name it, and it stays
    no_group,
    no_target,
    not_registered,  // remove: only others name it
    another_weight,  // add: it is registered with one
    too_many,
    no_room,   // on the disk
    not_kept,  // the disk fails, or there is no folder to write to
  };

  Result result = Result::unchanged;
  std::optional<Membership::Named> target;  // as it is now; of a removed one, as it was
  std::string detail;                       // of no_room and not_kept
};

// The address of a target as the admin API takes it: numeric, or unix:/path. Never one that may not
// be a target (link-local, metadata, unspecified, multicast). Nothing, with `error`, otherwise.
struct TargetAddress {
  std::string id;
  net::Endpoint endpoint;
};
[[nodiscard]] std::optional<TargetAddress> target_address(std::string_view text,
                                                          std::string& error);

class Registrations {
 public:
  using Done = std::function<void(const TargetChanged& changed)>;
  static constexpr std::size_t targets_max = 20'000;  // of each group, registered or modified

  // All outlive it.
  Registrations(boost::asio::io_context& context, Membership& membership, Events& events);
  ~Registrations();  // waits for the write that is under way
  Registrations(const Registrations&) = delete;
  Registrations& operator=(const Registrations&) = delete;

  // Before the first configuration: takes what was kept into the membership. A file that cannot be
  // read is an error; a folder that cannot be written to is a warning, and changes are refused
  // from then on. Once.
  void open(const std::string& folder, const config::Position& position,
            config::Problems& problems);
  // Of `open`; empty: none.
  [[nodiscard]] const std::string& folder() const;

  void change(TargetChange change, Done done);

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::control
