// What a rewrite makes of one request.
#include "sluice/route/filters/rewrite.h"

#include <string_view>
#include <utility>

#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

bool has_prefix(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// False when it failed. `path` is changed in place.
bool rewrite_path(const PathRewrite& rewrite, std::string& path) {
  for (const std::string& prefix : rewrite.strip_prefixes) {
    if (!has_prefix(path, prefix)) continue;
    path.erase(0, prefix.size());
    break;
  }
  if (rewrite.replace_prefix && has_prefix(path, rewrite.replace_prefix->first)) {
    path.replace(0, rewrite.replace_prefix->first.size(), rewrite.replace_prefix->second);
  }
  if (path.empty()) path = "/";
  if (rewrite.regex) {
    std::string replaced;
    switch (rewrite.regex->regex.replace_first(path, rewrite.regex->replacement,
                                               Rewrite::target_bytes_max, replaced)) {
      case Regex::Outcome::no_match: break;
      case Regex::Outcome::too_long: return false;
      case Regex::Outcome::replaced: path = std::move(replaced); break;
    }
  }
  path.insert(0, rewrite.add_prefix);
  return true;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = base::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// As targets read the name of a parameter: escapes decoded once, '+' a space.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    if (is_escape) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view unreserved_marks = "-._~";
  for (const char c : text) {
    const bool is_alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_alphanumeric || unreserved_marks.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    base::append_percent_encoded(out, c);
  }
}

bool takes_away(const QueryRewrite& rewrite, std::string_view parameter) {
  const std::string name = decoded(parameter.substr(0, parameter.find('=')));
  for (const std::string& removed : rewrite.removals) {
    if (name == removed) return true;
  }
  for (const auto& [set, value] : rewrite.sets) {
    if (name == set) return true;
  }
  return false;
}

// What remains in its order, then what is set.
bool rewrite_query(const QueryRewrite& rewrite, std::string_view query, const Variables& variables,
                   std::string& out) {
  const auto separate = [&out] {
    if (!out.empty()) out += '&';
  };
  for (std::string_view rest = query; !rest.empty();) {
    const std::size_t end = rest.find('&');
    const std::string_view parameter = rest.substr(0, end);
    if (!parameter.empty() && !takes_away(rewrite, parameter)) {
      separate();
      out += parameter;
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  for (const auto& [name, text] : rewrite.sets) {
    std::string value;
    if (!text.append_to(value, variables, Rewrite::target_bytes_max)) return false;
    separate();
    append_escaped(out, name);
    out += '=';
    append_escaped(out, value);
    if (out.size() > Rewrite::target_bytes_max) return false;
  }
  return true;
}

bool is_query(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '#') return false;
  }
  return true;
}

bool set_path(std::string path, RewrittenRequest& out) {
  std::string storage;
  std::string_view normal;
  if (path.size() > Rewrite::target_bytes_max) return false;
  if (!http::normalize_path(path, storage, normal)) return false;
  out.path = std::string(normal);
  return true;
}

bool rewrite_url(const RegexRewrite& rewrite, const http::RequestHead& request,
                 RewrittenRequest& out) {
  std::string url(request.path);
  if (out.query ? !out.query->empty() : request.has_query) {
    url.append("?").append(out.query ? *out.query : request.query);
  }
  std::string replaced;
  switch (
      rewrite.regex.replace_first(url, rewrite.replacement, Rewrite::target_bytes_max, replaced)) {
    case Regex::Outcome::no_match: return true;
    case Regex::Outcome::too_long: return false;
    case Regex::Outcome::replaced: break;
  }
  const std::size_t mark = replaced.find('?');
  std::string query = mark == std::string::npos ? "" : replaced.substr(mark + 1);
  if (!is_query(query) || !set_path(replaced.substr(0, mark), out)) return false;
  out.query = std::move(query);
  return true;
}

bool rewrite_host(const RegexRewrite& rewrite, std::string_view host, RewrittenRequest& out) {
  constexpr std::size_t host_bytes_max = 512;
  std::string replaced;
  switch (rewrite.regex.replace_first(host, rewrite.replacement, host_bytes_max, replaced)) {
    case Regex::Outcome::no_match: return true;
    case Regex::Outcome::too_long: return false;
    case Regex::Outcome::replaced: break;
  }
  if (!http::is_valid_authority(replaced)) return false;
  out.host = std::move(replaced);
  return true;
}

}  // namespace

bool Rewrite::apply(const http::RequestHead& request, const Variables& variables,
                    RewrittenRequest& out) const {
  if (host) out.host = host;
  if (host_regex && !rewrite_host(*host_regex, request.host, out)) return false;
  if (request.form == http::TargetForm::asterisk) return true;  // about the server, not a resource
  if (url && !rewrite_url(*url, request, out)) return false;
  if (path) {
    std::string changed(request.path);
    if (!rewrite_path(*path, changed)) return false;
    if (changed != request.path && !set_path(std::move(changed), out)) return false;
  }
  if (query) {
    const std::string before(out.query ? *out.query : request.query);
    std::string changed;
    if (!rewrite_query(*query, before, variables, changed)) return false;
    if (changed != before) out.query = std::move(changed);
  }
  return true;
}

}  // namespace sluice::route
