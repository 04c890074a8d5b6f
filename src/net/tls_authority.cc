#include "net/tls_authority.h"

#include <algorithm>
#include <string>

#include "sluice/base/cidr.h"
#include "sluice/base/text.h"

namespace sluice::net {
namespace {

struct Check {
  const CertificateTable* table;
  config::CheckAuthority kind;
};

void free_check(void* /*context*/, void* check, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                long /*unused*/, void* /*unused*/) {
  std::unique_ptr<Check>(static_cast<Check*>(check)).reset();
}

int check_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_check);
  return index;
}

bool is_name_of(const Certificate& certificate, std::string_view host) {
  const std::size_t dot = host.find('.');
  const std::string_view parent =
      dot == std::string_view::npos ? std::string_view() : host.substr(dot);
  return std::ranges::any_of(certificate.names, [&](const std::string& name) {
    if (name == host) return true;
    return name.starts_with("*.") && std::string_view(name).substr(1) == parent;
  });
}

// One of the certificates that the client may have been shown: they have the same names, but for
// the kind of their keys.
bool is_covered(const CertificateTable& table, const CertificateChoice& shown,
                const std::string& host) {
  const bool is_bracketed = host.size() > 2 && host.front() == '[';
  const std::string text = is_bracketed ? host.substr(1, host.size() - 2) : host;
  const bool is_address = base::IpAddress::parse(text).has_value();
  return std::ranges::any_of(shown, [&](std::size_t index) {
    const Certificate& certificate = table.certificates()[index];
    return is_address ? X509_check_ip_asc(certificate.leaf.get(), text.c_str(), 0) == 1
                      : is_name_of(certificate, host);
  });
}

}  // namespace

bool use_authority_check(SSL_CTX& context, const CertificateTable& table,
                         config::CheckAuthority check) {
  auto made = std::make_unique<Check>(Check{&table, check});
  if (SSL_CTX_set_ex_data(&context, check_index(), made.get()) != 1) return false;
  (void)made.release();
  return true;
}

bool serves_authority(const SSL& session, std::string_view server_name, std::string_view host) {
  const auto* check =
      static_cast<const Check*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(&session), check_index()));
  if (check == nullptr || check->kind == config::CheckAuthority::off) return true;
  const bool by_certificate = check->kind == config::CheckAuthority::certificate;
  if (server_name.empty() && !by_certificate) return true;
  const std::string name = base::to_lower(host);
  if (name == server_name) return true;
  const CertificateChoice& shown = check->table->find(server_name);
  if (is_covered(*check->table, shown, name)) return true;
  // A connection of its own would show the very same certificate: sending the client there would
  // gain nothing, and break whoever names hosts as proxies do (`Host` kept, server name their own).
  return !by_certificate && check->table->find(name) == shown;
}

}  // namespace sluice::net
