#include <utility>

#include "config/readers.h"
#include "sluice/base/cidr.h"

namespace sluice::config {
namespace {

CertificateFiles read_certificate(const Node& node, Problems& problems) {
  CertificateFiles files;
  files.position = node.position();
  Section section(node, problems);
  if (const auto cert = section.require("cert", "the name of a PEM file")) {
    files.certificate = one_line(*cert, problems).value_or("");
  }
  if (const auto key = section.require("key", "the name of a PEM file")) {
    files.key = one_line(*key, problems).value_or("");
  }
  return files;
}

ServerTls read_tls(const Node& node, Problems& problems) {
  ServerTls tls;
  Section section(node, problems);
  for (const Node& item : section.list("certificates")) {
    tls.certificates.push_back(read_certificate(item, problems));
  }
  if (tls.certificates.empty() && node.kind() == Node::Kind::mapping) {
    node.error("needs certificates, a list of at least one { cert: FILE, key: FILE }", problems);
  }
  section.choice("min_version", {"1.2", "1.3"}, tls.min_version);
  section.text("ciphers", tls.ciphers);
  section.text("ciphersuites", tls.ciphersuites);
  section.text("groups", tls.groups);
  if (const auto clients = section.section("client_certificates")) {
    read_client_certificates(*clients, tls.client_certificates, problems);
  }
  section.choice("check_authority", {"sni", "certificate", "off"}, tls.check_authority);
  return tls;
}

// Off is what there is; on must not be taken for granted in silence.
void read_http2(const std::optional<Node>& node, Problems& problems) {
  if (!node) return;
  if (node->as_bool(problems).value_or(false)) {
    node->error("HTTP/2 is not supported by this version; leave the key out or say false",
                problems);
  }
}

Listener read_listener(const Node& node, Unique& names, Unique& binds, Problems& problems) {
  Listener listener;
  listener.position = node.position();
  Section section(node, problems);

  if (const auto given = section.require("name", "a name unique among the listeners")) {
    listener.name = name(*given, problems).value_or("");
    if (!listener.name.empty()) names.add(listener.name, *given, problems);
  }
  if (const auto bind = section.require("bind", "an address such as 0.0.0.0:8080")) {
    listener.bind = read_bind(*bind, problems).value_or(Address{});
    const bool any_port = !listener.bind.is_unix && listener.bind.port == 0;
    if (!any_port) binds.add(listener.bind.text(), *bind, problems);
  }
  if (const auto tls = section.section("tls")) listener.tls = read_tls(*tls, problems);
  read_http2(section.get("http2"), problems);
  section.choice("half_close", {"abort", "tolerate"}, listener.half_close);
  listener.rules = read_rules(section.list("rules"), problems);
  if (const auto action = section.section("default_action")) {
    listener.default_action = read_action(*action, problems);
  }
  return listener;
}

}  // namespace

std::vector<Listener> read_listeners(const std::vector<Node>& items, Problems& problems) {
  Unique names("listener name");
  Unique binds("address");
  std::vector<Listener> listeners;
  listeners.reserve(items.size());
  for (const Node& item : items) listeners.push_back(read_listener(item, names, binds, problems));
  return listeners;
}

std::optional<Address> read_bind(const Node& node, Problems& problems) {
  auto address = parse_address(node, problems);
  if (!address || address->is_unix || base::IpAddress::parse(address->host)) return address;
  // A name can stand for several addresses, today or tomorrow; a listener is one.
  node.error("must be a numeric address such as 127.0.0.1:8080 or [::]:8080, or unix:/path, not " +
                 node.quoted(),
             problems);
  return std::nullopt;
}

}  // namespace sluice::config
