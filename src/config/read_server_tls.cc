#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "config/readers.h"
#include "config/tls_policies.h"

namespace sluice::config {
namespace {

CertificateFiles read_certificate(const Node& node, Problems& problems) {
  CertificateFiles files;
  files.position = node.position();
  Section section(node, problems);
  if (const auto cert = section.require("cert", "the name of a PEM file")) {
    files.certificate = one_line(*cert, problems).value_or("");
    files.certificate_position = cert->position();
  }
  if (const auto key = section.require("key", "the name of a PEM file")) {
    files.key = one_line(*key, problems).value_or("");
    files.key_position = key->position();
  }
  section.text("ocsp", files.ocsp, files.ocsp_position);
  return files;
}

// What stands beside it overrides it: read first.
void read_policy(Section& section, ServerTls& tls, Problems& problems) {
  const auto node = section.get("policy");
  if (!node) return;
  const auto name = one_line(*node, problems);
  if (!name) return;
  std::string error;
  const TlsPolicy* const policy = find_tls_policy(*name, error);
  if (policy == nullptr) {
    node->error(node->quoted() + " cannot be used: " + error, problems);
    return;
  }
  tls.policy = policy->name;
  tls.min_version = policy->min_version;
  tls.max_version = policy->max_version;
  tls.ciphers = policy->ciphers;
  tls.ciphersuites = policy_ciphersuites;
  tls.ciphers_position = tls.ciphersuites_position = node->position();
}

constexpr std::array<std::string_view, 4> version_names = {"1.0", "1.1", "1.2", "1.3"};

std::string_view name_of(TlsVersion version) {
  return version_names[static_cast<std::size_t>(version)];
}

// Of the two keys, where the one comes from that is not in the file.
std::string origin(const ServerTls& tls) {
  return tls.policy.empty() ? " by default" : " by policy: " + tls.policy;
}

void read_versions(const Node& node, Section& section, ServerTls& tls, Problems& problems) {
  section.choice("min_version", {"1.0", "1.1", "1.2", "1.3"}, tls.min_version);
  section.choice("max_version", {"1.0", "1.1", "1.2", "1.3"}, tls.max_version);
  if (tls.min_version <= tls.max_version || !section.is_sound()) return;
  const auto least = node.get("min_version");
  const auto most = node.get("max_version");
  std::string allowed;
  for (const std::string_view name : version_names) {
    const bool is_allowed =
        least ? name <= name_of(tls.max_version) : name >= name_of(tls.min_version);
    if (is_allowed) allowed.append(allowed.empty() ? "" : ", ").append(name);
  }
  if (least) {
    least->error(std::string(name_of(tls.min_version)) + " is above max_version, which is " +
                     std::string(name_of(tls.max_version)) + (most ? "" : origin(tls)) +
                     "; allowed here: " + allowed + (most ? "" : ", or set max_version, too"),
                 problems);
  } else if (most) {
    most->error(std::string(name_of(tls.max_version)) + " is below min_version, which is " +
                    std::string(name_of(tls.min_version)) + origin(tls) +
                    "; allowed here: " + allowed + ", or set min_version, too",
                problems);
  }
}

void read_ticket_keys(Section& section, ServerTls& tls, Problems& problems) {
  const auto node = section.section("ticket_keys");
  if (!node) return;
  Section keys(*node, problems);
  if (const auto file = keys.require("file", "the name of a file with a key in each line")) {
    tls.ticket_keys_file = one_line(*file, problems).value_or("");
    tls.ticket_keys_position = file->position();
  }
  if (!tls.session_tickets) node->error("has no meaning with session_tickets: false", problems);
}

}  // namespace

ServerTls read_server_tls(const Node& node, Problems& problems) {
  ServerTls tls;
  Section section(node, problems);
  for (const Node& item : section.list("certificates")) {
    tls.certificates.push_back(read_certificate(item, problems));
  }
  if (tls.certificates.empty() && node.kind() == Node::Kind::mapping) {
    node.error("needs certificates, a list of at least one { cert: FILE, key: FILE }", problems);
  }
  read_policy(section, tls, problems);
  read_versions(node, section, tls, problems);
  section.text("ciphers", tls.ciphers, tls.ciphers_position);
  section.text("ciphersuites", tls.ciphersuites, tls.ciphersuites_position);
  section.text("groups", tls.groups, tls.groups_position);
  if (const auto clients = section.section("client_certificates")) {
    read_client_certificates(*clients, tls.client_certificates, problems);
  }
  section.choice("check_authority", {"sni", "certificate", "off"}, tls.check_authority);
  section.flag("session_tickets", tls.session_tickets);
  read_ticket_keys(section, tls, problems);
  section.duration_or_zero("expiry_warning", {std::chrono::hours(24), std::chrono::hours(24 * 365)},
                           tls.expiry_warning);
  section.duration_or_zero("watch_interval", {Milliseconds(100), std::chrono::hours(24)},
                           tls.watch_interval);
  return tls;
}

}  // namespace sluice::config
