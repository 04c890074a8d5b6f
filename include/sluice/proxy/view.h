// One worker's use of one snapshot: the snapshot, the worker's groups by index, and the cells to
// count in.
//
// Every exchange pins the view it began with (shared_ptr), so a reload never changes an exchange
// under way; the last of them drops it. Built when a snapshot arrives, constant afterwards. One
// thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "sluice/observe/metrics.h"
#include "sluice/proxy/snapshot.h"

namespace sluice::proxy {

// Of one limit of a rule's rate_limit.
struct RateLimitCells {
  observe::HeldCounter admitted;
  observe::HeldCounter refused;
  observe::HeldCounter evictions;
};

struct RuleView {
  const route::Rule* rule = nullptr;
  std::array<observe::HeldCounter, 5> requests_by_class;  // 1xx..5xx; gone with the rule's name
  observe::Histogram* duration = nullptr;                 // of the listener and the rule's group
  std::vector<RateLimitCells> rate_limits;                // in the order of the limits
};

// The cells of a listener; they are found by name, so they outlive snapshots.
struct ListenerCells {
  ListenerCells(observe::Cells& cells, const std::string& listener);

  observe::Counter& request_bytes;
  observe::Counter& response_bytes;
  observe::Counter& connections_total;
  observe::Gauge& connections;
  observe::Gauge& connections_idle;
  observe::Histogram& added_latency;
  observe::Histogram& handshake_time;
};

struct ListenerView {
  ListenerView(observe::Cells& cells, const SnapshotListener& listener);

  const SnapshotListener* settings;
  ListenerCells cells;
  std::vector<RuleView> rules;  // in the order of the table's rules
};

struct View {
  View(observe::Cells& cells, std::shared_ptr<const Snapshot> snapshot,
       std::vector<std::shared_ptr<upstream::Group>> groups);

  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::shared_ptr<upstream::Group>> groups;  // as the snapshot's
  std::vector<ListenerView> listeners;                   // as the snapshot's
};

}  // namespace sluice::proxy
