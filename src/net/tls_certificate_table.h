// Which certificates serve which name: one look-up per handshake, however many there are.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/tls_certificate.h"

namespace sluice::net {

// The certificates of one name, at most one for each kind of key, in the order of the
// configuration: OpenSSL takes the one whose signature the client understands. Indexes into the
// table's certificates.
using CertificateChoice = std::vector<std::size_t>;

// Immutable, any thread.
class CertificateTable {
 public:
  // Not empty; the first is the default. Of two with the same name and kind of key, the first
  // serves.
  explicit CertificateTable(std::vector<Certificate> certificates);

  // For the server name a client asked for, in lower case and perhaps empty: the certificates of
  // exactly this name, else of the wildcard one label up, else the default ones.
  [[nodiscard]] const CertificateChoice& find(std::string_view server_name) const;

  // The first certificate, and those with other kinds of keys for the very same names.
  [[nodiscard]] const CertificateChoice& default_choice() const { return default_choice_; }

  [[nodiscard]] const std::vector<Certificate>& certificates() const { return certificates_; }

  // A name that `index` covers with the same kind of key as `winner`, which serves it.
  struct Double {
    std::size_t index;
    std::size_t winner;
    std::string name;
  };
  // One for each pair of certificates.
  [[nodiscard]] const std::vector<Double>& doubles() const { return doubles_; }

  // True when no handshake can ever end with this certificate.
  [[nodiscard]] bool is_never_chosen(std::size_t index) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using ByName = std::unordered_map<std::string, CertificateChoice, Hash, std::equal_to<>>;

  void add_names(std::size_t index);
  // The certificate that has the place already, if one has.
  std::optional<std::size_t> add(CertificateChoice& choice, std::size_t index) const;
  void remember_double(std::size_t index, std::size_t winner, const std::string& name);

  std::vector<Certificate> certificates_;
  std::vector<Double> doubles_;
  CertificateChoice default_choice_;
  ByName exact_;
  ByName wildcard_;  // keyed by what follows `*.`
};

}  // namespace sluice::net
