#include "route/conditions/values.h"

#include <algorithm>
#include <utility>

#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

constexpr std::size_t host_limit = 253;  // bytes: of a name in DNS

// A host that the pattern would match, were it one that requests can have.
std::string sample(std::string_view pattern) {
  std::string out(pattern);
  std::ranges::replace_if(out, [](char c) { return c == '*' || c == '?'; }, 'x');
  return out;
}

// What is wrong with it; empty: nothing.
std::string judge_host_name(std::string_view text) {
  if (text.empty() || text.size() > host_limit) {
    return "must have 1 to " + std::to_string(host_limit) + " characters";
  }
  const bool is_address = text.front() == '[';
  if (is_address && text.find_first_of("*?") != std::string_view::npos) {
    return "has no wildcards when it is an address in brackets";
  }
  const std::string host = sample(text);
  if (http::is_valid_authority(host)) {
    if (http::host_without_port(host) == host) return {};
    if (host.back() == '.') return "can never match: the dot at the end of a host is not compared";
    return "can never match: the port is not compared, write the host alone";
  }
  return "can never match: hosts have letters, digits, '-' and '_' between single dots, or are an "
         "IPv6 address in brackets";
}

}  // namespace

bool is_good_text(const config::Node& item, std::string_view text, std::size_t least,
                  config::Problems& problems) {
  if (text.size() < least || text.size() > text_limit) {
    item.error(
        "must have " + std::to_string(least) + " to " + std::to_string(text_limit) + " characters",
        problems);
    return false;
  }
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  if (std::ranges::none_of(text, is_control)) return true;
  item.error("can never match: control characters are not compared", problems);
  return false;
}

bool is_token(std::string_view text) {
  const auto is_letter = [](char c) {
    return (base::lower(c) >= 'a' && base::lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::ranges::all_of(text, is_letter);
}

bool has_only_keys(const config::Node& node, std::initializer_list<std::string_view> known,
                   config::Problems& problems) {
  config::Problems found;
  node.allow_keys(known, found);
  problems.add(found, "");
  return !found.has_errors();
}

std::vector<Pattern> read_texts(const config::Node& node, SubjectKind kind,
                                config::Problems& problems) {
  const auto read = [&](const config::Node& item,
                        const std::string& text) -> std::optional<Pattern> {
    if (!is_good_text(item, text, 0, problems)) return std::nullopt;
    return Pattern::glob(text, Escapes::backslash, case_of(kind));
  };
  return read_values<Pattern>(node, read, problems);
}

std::vector<Pattern> read_host_names(const config::Node& node, config::Problems& problems) {
  const auto read = [&](const config::Node& item,
                        const std::string& text) -> std::optional<Pattern> {
    if (const std::string wrong = judge_host_name(text); !wrong.empty()) {
      item.error(wrong + ", not " + item.quoted(), problems);
      return std::nullopt;
    }
    return Pattern::glob(text, Escapes::none, Case::ignored);
  };
  return read_values<Pattern>(node, read, problems);
}

std::vector<Pattern> read_regexes(const config::Node& node, Case letters,
                                  config::Problems& problems) {
  const auto read = [&](const config::Node& item,
                        const std::string& text) -> std::optional<Pattern> {
    std::string error;
    auto regex = Regex::compile(text, error, letters == Case::ignored);
    if (regex) return Pattern::regex(*std::move(regex), letters);
    item.error("is not a regular expression of RE2: " + error, problems);
    return std::nullopt;
  };
  return read_values<Pattern>(node, read, problems);
}

}  // namespace sluice::route
