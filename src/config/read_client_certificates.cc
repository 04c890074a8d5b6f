#include <string_view>
#include <utility>

#include "config/readers.h"

namespace sluice::config {
namespace {

constexpr std::uint32_t deepest = 16;

// Keys that only mean something when certificates are verified: elsewhere they would promise a
// check that nobody makes.
constexpr std::string_view of_verification[] = {"trust_store", "crls", "depth", "ignore_expired",
                                                "advertise_trust_store"};

}  // namespace

void read_client_certificates(const Node& node, ClientCertificates& settings, Problems& problems) {
  settings.position = node.position();
  Section section(node, problems);
  section.choice("mode", {"off", "passthrough", "verify"}, settings.mode);
  const bool is_mode_known = section.is_sound();
  section.text("trust_store", settings.trust_store, settings.trust_store_position);
  for (const Node& item : section.list("crls")) {
    auto file = one_line(item, problems);
    if (!file) continue;
    settings.crls.push_back(std::move(*file));
    settings.crl_positions.push_back(item.position());
  }
  section.number("depth", {0, deepest}, settings.depth);
  section.flag("ignore_expired", settings.ignore_expired);
  section.flag("advertise_trust_store", settings.advertise_trust_store);
  section.size("chain", {1 * kibibyte, 64 * kibibyte}, settings.chain_bytes);
  if (!is_mode_known || node.kind() != Node::Kind::mapping) return;
  if (settings.mode != ClientCertificateMode::verify) {
    for (const std::string_view key : of_verification) {
      if (const auto given = node.get(key)) given->error("only with mode: verify", problems);
    }
  } else if (!node.get("trust_store")) {
    node.error("mode: verify needs trust_store, a PEM file with the authorities of the clients",
               problems);
  }
}

}  // namespace sluice::config
