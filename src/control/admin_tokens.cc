#include "control/admin_tokens.h"

#include <string.h>

#include <algorithm>
#include <optional>

#include "sluice/base/file.h"
#include "sluice/base/text.h"

namespace sluice::control {
namespace {

constexpr std::size_t largest_file = std::size_t{256} * 1024;
constexpr const char* key = "admin.tokens_file";

// The next word of a line, without the white space around it.
std::string_view take_word(std::string_view& line) {
  line = base::trim(line);
  const std::string_view word = line.substr(0, std::min(line.find_first_of(" \t"), line.size()));
  line.remove_prefix(word.size());
  return word;
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || std::string_view("-_.@").find(c) != std::string_view::npos;
  });
}

// b64token of RFC 6750 2.1.
bool is_token(std::string_view text) {
  if (text.size() < AdminTokens::shortest || text.size() > AdminTokens::longest) return false;
  return std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
}

// What is wrong with the line; empty: `token` is what it says.
std::string read_line(std::string_view line, AdminTokens::Token& token) {
  const std::string_view role = take_word(line);
  const std::string_view name = take_word(line);
  const std::string_view secret = take_word(line);
  if (role != "read" && role != "write") return "must begin with read or write";
  if (!is_name(name)) {
    return "must have a name of at most 64 letters, digits, -, _, . and @ behind the role";
  }
  if (!is_token(secret)) {
    return "must have a token of 16 to 512 letters, digits and - . _ ~ + / = behind the name";
  }
  if (!base::trim(line).empty()) return "has something behind the token";
  token.name = name;
  token.may_write = role == "write";
  return net::sha256(secret, token.digest) ? std::string() : "could not be read";
}

bool is_equal(const net::Sha256& a, const net::Sha256& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

// The token of `Bearer TOKEN`; nothing: another scheme.
std::optional<std::string_view> bearer(std::string_view value) {
  constexpr std::string_view scheme = "Bearer ";
  if (!base::equals_ignoring_case(value.substr(0, scheme.size()), scheme)) return std::nullopt;
  return base::trim(value.substr(scheme.size()));
}

}  // namespace

std::shared_ptr<const AdminTokens> AdminTokens::load(const std::string& path,
                                                     const config::Position& position,
                                                     config::Problems& problems) {
  std::string error;
  auto content = base::read_file(path, largest_file, error);
  if (!content) {
    problems.error(position, key, "'" + path + "' cannot be read: " + error);
    return nullptr;
  }
  std::shared_ptr<const AdminTokens> tokens;
  if (content->is_readable_by_all) {
    problems.error(
        position, key,
        "every user of this machine may read the tokens in '" + path + "'; 'chmod o-r' helps");
  } else {
    tokens = parse(content->bytes, path, position, problems);
  }
  ::explicit_bzero(content->bytes.data(), content->bytes.size());
  return tokens;
}

std::shared_ptr<const AdminTokens> AdminTokens::parse(std::string_view text,
                                                      const std::string& path,
                                                      const config::Position& position,
                                                      config::Problems& problems) {
  std::vector<Token> all;
  bool is_good = true;
  std::size_t number = 0;
  const auto refuse = [&](const std::string& what) {
    is_good = false;
    problems.error(position, key, "'" + path + "' line " + std::to_string(number) + " " + what);
  };
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = base::trim(line);
    if (line.empty() || line.front() == '#') continue;
    Token token;
    const std::string error = read_line(line, token);
    if (!error.empty()) {
      refuse(error);
    } else if (std::ranges::find(all, token.name, &Token::name) != all.end()) {
      refuse("has the name of another");
    } else if (std::ranges::find(all, token.digest, &Token::digest) != all.end()) {
      refuse("has the token of another");
    } else if (all.size() == most) {
      refuse("is one too many: there may be " + std::to_string(most));
      break;
    } else {
      all.push_back(std::move(token));
    }
  }
  if (is_good && all.empty()) {
    problems.error(position, key, "'" + path + "' has no token; a line is: role name token");
    return nullptr;
  }
  return is_good ? std::make_shared<const AdminTokens>(std::move(all)) : nullptr;
}

const AdminTokens::Token* AdminTokens::find(std::string_view token) const {
  net::Sha256 digest{};
  if (!net::sha256(token, digest)) return nullptr;
  const Token* found = nullptr;
  for (const Token& each : all_) {
    if (is_equal(each.digest, digest)) found = &each;
  }
  return found;
}

Admission admit(const AdminTokens& tokens, const std::vector<std::string_view>& authorization,
                bool is_write) {
  if (authorization.size() > 1) return {400, "more than one Authorization field", {}};
  const auto token = authorization.empty() ? std::nullopt : bearer(authorization.front());
  if (!token) return {401, "a token is needed: Authorization: Bearer TOKEN", {}};
  const AdminTokens::Token* const found = tokens.find(*token);
  if (found == nullptr) return {401, "this token is not known", {}};
  if (is_write && !found->may_write) {
    return {403, "token '" + found->name + "' may read, not write", found->name};
  }
  return {0, {}, found->name};
}

}  // namespace sluice::control
