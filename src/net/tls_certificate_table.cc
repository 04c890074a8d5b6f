#include "net/tls_certificate_table.h"

#include <algorithm>
#include <utility>

namespace sluice::net {
namespace {

constexpr std::string_view wildcard_prefix = "*.";

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

}  // namespace

CertificateTable::CertificateTable(std::vector<Certificate> certificates)
    : certificates_(std::move(certificates)) {
  const std::vector<std::string> default_names = sorted(certificates_.front().names);
  for (std::size_t index = 0; index < certificates_.size(); ++index) {
    add_names(index);
    if (sorted(certificates_[index].names) == default_names) add(default_choice_, index);
  }
}

const CertificateChoice& CertificateTable::find(std::string_view server_name) const {
  if (const auto found = exact_.find(server_name); found != exact_.end()) return found->second;
  const std::size_t dot = server_name.find('.');
  if (dot != std::string_view::npos) {
    const auto found = wildcard_.find(server_name.substr(dot + 1));
    if (found != wildcard_.end()) return found->second;
  }
  return default_choice_;
}

bool CertificateTable::is_never_chosen(std::size_t index) const {
  const auto holds = [index](const CertificateChoice& choice) {
    return std::ranges::find(choice, index) != choice.end();
  };
  const auto has_won = [&](const std::string& name) {
    const bool is_wildcard = name.starts_with(wildcard_prefix);
    return is_wildcard ? holds(wildcard_.at(name.substr(wildcard_prefix.size())))
                       : holds(exact_.at(name));
  };
  const std::vector<std::string>& names = certificates_[index].names;
  return !holds(default_choice_) && std::ranges::none_of(names, has_won);
}

void CertificateTable::add_names(std::size_t index) {
  for (const std::string& name : certificates_[index].names) {
    const bool is_wildcard = name.starts_with(wildcard_prefix);
    add(is_wildcard ? wildcard_[name.substr(wildcard_prefix.size())] : exact_[name], index);
  }
}

void CertificateTable::add(CertificateChoice& choice, std::size_t index) const {
  const bool is_taken = std::ranges::any_of(choice, [&](std::size_t other) {
    return certificates_[other].key_type == certificates_[index].key_type;
  });
  if (!is_taken) choice.push_back(index);
}

}  // namespace sluice::net
