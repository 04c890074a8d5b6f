#include "config/readers.h"

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

}  // namespace sluice::config
