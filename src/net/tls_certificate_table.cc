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
    if (sorted(certificates_[index].names) == default_names) (void)add(default_choice_, index);
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
    const std::optional<std::size_t> winner =
        add(is_wildcard ? wildcard_[name.substr(wildcard_prefix.size())] : exact_[name], index);
    if (winner && *winner != index) remember_double(index, *winner, name);
  }
}

std::optional<std::size_t> CertificateTable::add(CertificateChoice& choice,
                                                 std::size_t index) const {
  const auto taken = std::ranges::find_if(choice, [&](std::size_t other) {
    return certificates_[other].key_type == certificates_[index].key_type;
  });
  if (taken != choice.end()) return *taken;
  choice.push_back(index);
  return std::nullopt;
}

void CertificateTable::remember_double(std::size_t index, std::size_t winner,
                                       const std::string& name) {
  const bool is_known = std::ranges::any_of(doubles_, [&](const Double& known) {
    return known.index == index && known.winner == winner;
  });
  if (!is_known) doubles_.push_back({index, winner, name});
}

}  // namespace sluice::net
