// Where targets come from besides the configuration: one kind of source, as the poller asks it.
//
// A new kind is a file with a reader (`Read`) and a row in kinds.cc. The reader makes a Source from
// the kind's mapping (`dns: { name: ... }`); the poller makes one Provider of it and asks for a
// Look whenever it is time. What is done with the answers (the last good set is kept, a set may
// not shrink at once, what vanished drains) is decided for all kinds in one place, not here.
// Control thread only; nothing here may block.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/loop.h"
#include "sluice/net/task.h"

namespace sluice::control::discovery {

// A target that a source names. Two of one answer with the same id are one, the first.
struct Found {
  std::string id;  // canonical text of address and port, `10.0.1.11:8080`, `[2001:db8::1]:80`
  net::Endpoint endpoint;
  std::uint32_t weight = 1;  // 0..999
  std::string zone;          // availability zone; empty: unknown
  bool is_leaving = false;   // still there, and to be drained (an instance that shuts down)
};

// The whole set at one time, or why it is not known.
struct Look {
  std::vector<Found> targets;
  // Printable, no secrets; not empty: `targets` says nothing, the last good set stays.
  std::string error;
  // Printable; why an answer has no targets, or what of it had to be left as it was, if there is
  // something to say: `no such name`.
  std::string note;
  // How long the answer is good, where the source says so (the TTL of DNS): the next look comes
  // then, within the bounds of the source. Nothing: `refresh`.
  std::optional<config::Milliseconds> valid_for;
  // The source asked to be left alone for so long (throttling); only with an error.
  std::optional<config::Milliseconds> retry_after;
};

class Provider {
 public:
  virtual ~Provider() = default;  // gives up a look that is under way; it is never awaited again

  // One at a time. Ends within a time of its own, bounded whatever the other side does; bounded in
  // bytes and targets likewise. Throws only std::bad_alloc.
  [[nodiscard]] virtual net::Task<Look> look() = 0;

  // `changed` may be called at any time later, on the control thread: a look would find something
  // new (a file was written). For kinds that are told; the others are polled alone.
  virtual void when_changed(std::function<void()> /*changed*/) {}
};

// The settings of one source of one group; immutable.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual std::string_view kind() const = 0;  // "dns", "ec2", "file"
  // For logs, metrics and status; bounded, printable, no secrets: `dns api.internal:8080`.
  [[nodiscard]] virtual std::string text() const = 0;
  // Equal text: the same settings, so a reload keeps the provider and what it knows.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  // False: its answers come from elsewhere, and must not lead to this machine (T23).
  [[nodiscard]] virtual bool may_name_loopback() const { return true; }
  [[nodiscard]] virtual config::Milliseconds refresh() const = 0;  // between looks, before jitter
  [[nodiscard]] virtual std::unique_ptr<Provider> make(net::Loop& loop) const = 0;
};

// Reads the kind's mapping; reports everything that is wrong. Null when something was.
using Read = std::shared_ptr<const Source> (*)(const config::Node& node,
                                               config::Problems& problems);

struct Kind {
  std::string_view name;  // the key in an entry of `discovery`
  Read read;
};

}  // namespace sluice::control::discovery
