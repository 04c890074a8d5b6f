// Who may do what at the admin listener: bearer tokens (RFC 6750) from a file.
//
// A line each: `role name token`; roles are `read` and `write`, which may read too. Only digests
// stay in memory. Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/net/digest.h"

namespace sluice::control {

class AdminTokens {
 public:
  struct Token {
    std::string name;
    bool may_write = false;
    net::Sha256 digest{};
  };

  static constexpr std::size_t shortest = 16;
  static constexpr std::size_t longest = 512;
  static constexpr std::size_t most = 256;

  explicit AdminTokens(std::vector<Token> all) : all_(std::move(all)) {}

  // Null with problems on any fault, none of which shows a token. A file that every user of this
  // machine may read is refused.
  [[nodiscard]] static std::shared_ptr<const AdminTokens> load(const std::string& path,
                                                               const config::Position& position,
                                                               config::Problems& problems);
  // The same, of a text.
  [[nodiscard]] static std::shared_ptr<const AdminTokens> parse(std::string_view text,
                                                                const std::string& path,
                                                                const config::Position& position,
                                                                config::Problems& problems);

  // Whose token that is; null: nobody's. Takes the same time for every token.
  [[nodiscard]] const Token* find(std::string_view token) const;
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  std::vector<Token> all_;
};

// What a request may do by its Authorization fields.
struct Admission {
  unsigned status = 0;  // 0: it may pass; 400, 401 or 403
  std::string detail;   // when it may not
  std::string who;      // name of the token; empty: there are no tokens
};
[[nodiscard]] Admission admit(const AdminTokens& tokens,
                              const std::vector<std::string_view>& authorization, bool is_write);

}  // namespace sluice::control
