#include "support/proxy_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace sluice::support {

ProxyRig::ProxyRig()
    : log_writer_(metrics_),
      worker_(std::make_unique<proxy::Worker>(metrics_.add_cells(), log_writer_, 1, &passwords_)) {}

ProxyRig::~ProxyRig() {
  worker_->drain(std::chrono::milliseconds(1), [] {});
  worker_->cut();
  EXPECT_TRUE(waits_for([this] { return worker_->connection_count() == 0; }));
  settle();
}

std::shared_ptr<const proxy::Snapshot> ProxyRig::build(const std::string& yaml,
                                                       config::Problems& problems) {
  std::optional<config::Model> model = config::load_text(yaml, "test.yaml", problems);
  if (!model.has_value()) return nullptr;
  return proxy::build_snapshot(std::move(*model), snapshot_.get(), targets_, ticket_keys_,
                               problems);
}

void ProxyRig::apply(const std::string& yaml) {
  config::Problems problems;
  std::shared_ptr<const proxy::Snapshot> fresh = build(yaml, problems);
  for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
  ASSERT_NE(fresh, nullptr);
  std::vector<proxy::NewSocket> sockets;
  std::map<std::string, net::Endpoint> bound;
  for (const proxy::SnapshotListener& listener : fresh->listeners) {
    const auto known = bound_.find(listener.name);
    if (known != bound_.end()) {
      bound.insert(*known);
      continue;
    }
    std::string error;
    std::vector<net::OwnedFd> opened = net::listen_on(listener.endpoint, 1, false, error);
    ASSERT_EQ(opened.size(), 1U) << error;
    bound.emplace(listener.name, local_endpoint(opened[0].get()));
    sockets.push_back({listener.name, std::move(opened[0])});
  }
  bound_ = std::move(bound);
  snapshot_ = fresh;
  worker_->apply(std::move(fresh), std::move(sockets), {});
}

Peer ProxyRig::client(const std::string& listener) { return connect(bound_.at(listener)); }

Peer ProxyRig::accepted_by(Server& target) {
  std::optional<Peer> peer;
  EXPECT_TRUE(waits_for([&] {
    peer = target.accept();
    return peer.has_value();
  })) << "no connection to the target";
  return peer.has_value() ? std::move(*peer) : Peer(net::OwnedFd());
}

bool ProxyRig::receives(Peer& peer, std::string_view end) {
  return waits_for([&] { return peer.received().ends_with(end); });
}

bool ProxyRig::ends(Peer& peer) {
  return waits_for([&] { return peer.has_ended(); });
}

std::string forward_all(const std::vector<std::uint16_t>& ports, const std::string& more,
                        const std::string& group) {
  std::string targets;
  for (const std::uint16_t port : ports) {
    if (!targets.empty()) targets += ", ";
    targets += "{ address: \"127.0.0.1:" + std::to_string(port) + "\" }";
  }
  return "listeners:\n"
         "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: targets } }\n"
         "target_groups:\n"
         "  - { name: targets, targets: [ " +
         targets + " ]" + group + " }\n" + more;
}

}  // namespace sluice::support
