#include "sluice/http/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "http/characters.h"
#include "sluice/base/text.h"

namespace sluice::http {

namespace {

using observe::Reason;

enum class Normality : std::uint8_t { normal, to_rewrite, refused };

// One pass that most paths end with. Whatever could need a rewrite says so; `rewrite` decides.
[[nodiscard]] Normality judge(std::string_view path) {
  if (path.empty() || path.front() != '/') return Normality::refused;
  Normality result = Normality::normal;
  char before = '\0';
  for (const char c : path) {
    // `before` matters only when it is a slash: what follows may be a dot segment or a second
    // slash.
    if (is_in(character_class::plain_path, c)) {
      if (c == '.' && before == '/') result = Normality::to_rewrite;
    } else if (c == '/') {
      if (before == '/') result = Normality::to_rewrite;
    } else if (c == '%') {
      result = Normality::to_rewrite;
    } else {
      return Normality::refused;  // backslash, '#', '?', controls, space, bytes from 0x7f
    }
    before = c;
  }
  return result;
}

// Builds the normal form in `out_`, segment by segment. `out_` begins with '/', never holds "//"
// nor a finished dot segment.
class Rewriter {
 public:
  explicit Rewriter(std::string& out) : out_(out) {}

  [[nodiscard]] bool rewrite(std::string_view raw) {
    out_.clear();
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '/') {
        if (!end_segment()) return false;
        if (out_.empty() || out_.back() != '/') out_.push_back('/');
        segment_ = out_.size();
      } else if (raw[i] == '%') {
        if (!put_escape(raw.substr(i))) return false;
        i += 2;
      } else {
        out_.push_back(raw[i]);
      }
    }
    return end_segment();
  }

 private:
  // Rules 1 and 2. `text` begins with '%'.
  [[nodiscard]] bool put_escape(std::string_view text) {
    if (text.size() < 3) return false;
    const int high = hexadecimal_digit(text[1]);
    const int low = hexadecimal_digit(text[2]);
    if (high < 0 || low < 0) return false;
    const char decoded = static_cast<char>(high * 16 + low);
    if (decoded == '/' || decoded == '\\' || decoded == '\0') return false;
    if (is_in(character_class::unreserved, decoded)) {
      out_.push_back(decoded);
    } else {
      constexpr std::string_view digits = "0123456789ABCDEF";
      out_.push_back('%');
      out_.push_back(digits[static_cast<std::size_t>(high)]);
      out_.push_back(digits[static_cast<std::size_t>(low)]);
    }
    return true;
  }

  // Rule 4: takes the segment at `segment_` away when it is a dot segment. False above the root.
  [[nodiscard]] bool end_segment() {
    const std::string_view segment = std::string_view(out_).substr(segment_);
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (name == ".") {
      out_.resize(segment_);
    } else if (name == "..") {
      if (segment_ <= 1) return false;
      out_.resize(out_.rfind('/', segment_ - 2) + 1);
    }
    return true;
  }

  std::string& out_;
  std::size_t segment_ = 0;  // where the unfinished segment begins, behind its slash
};

[[nodiscard]] bool is_query(std::string_view text) {
  return all_in(character_class::visible, text);
}

// "http://" or "https://" at the front, without case: its length, or 0.
[[nodiscard]] std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme :
       {std::string_view{"http://"}, std::string_view{"https://"}}) {
    if (base::equals_ignoring_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

[[nodiscard]] bool is_valid_port(std::string_view text) {
  const auto port = base::parse_decimal(text);
  return port.has_value() && text.size() <= 5 && *port <= 65535;
}

// The address inside the brackets. Zone identifiers mean nothing to another host and are refused.
[[nodiscard]] bool is_ip_v6_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return false;
  std::ranges::copy(text, terminated.begin());
  in6_addr address;
  return inet_pton(AF_INET6, terminated.data(), &address) == 1 &&
         std::strlen(terminated.data()) == text.size();
}

// Labels of letters, digits, '-' and '_' between single dots; one dot may end it (the DNS root).
[[nodiscard]] bool is_reg_name(std::string_view text) {
  return !text.empty() && text.front() != '.' && all_in(character_class::reg_name, text) &&
         text.find("..") == std::string_view::npos;
}

[[nodiscard]] Reason split_path_and_query(RequestHead& head, std::string_view text) {
  const std::size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  head.has_query = mark != std::string_view::npos;
  if (head.has_query) head.query = text.substr(mark + 1);
  if (!is_query(head.query)) return Reason::bad_request_target;
  if (normalize_path(path, head.path_storage, head.path)) return Reason::none;
  // Bytes that no target may hold are one fault, a path that we will not interpret is another.
  return all_in(character_class::visible, path) ? Reason::bad_path : Reason::bad_request_target;
}

// RFC 9112 3.2.2. An empty path is "/", but for OPTIONS without a query, where it asks about the
// server as a whole and has to reach the target as "*" (RFC 9112 3.2.4).
[[nodiscard]] Reason split_absolute(RequestHead& head, std::string_view behind_scheme) {
  const std::size_t end = std::min(behind_scheme.find_first_of("/?"), behind_scheme.size());
  const std::string_view authority = behind_scheme.substr(0, end);
  const std::string_view rest = behind_scheme.substr(end);
  if (!is_valid_authority(authority)) return Reason::bad_request_target;
  head.host = authority;
  head.form = TargetForm::absolute;
  if (!rest.empty() && rest.front() == '/') return split_path_and_query(head, rest);
  if (rest.empty() && head.method == Method::options) {
    head.form = TargetForm::asterisk;
    head.path = "*";
    return Reason::none;
  }
  head.path = "/";
  if (rest.empty()) return Reason::none;
  head.has_query = true;
  head.query = rest.substr(1);
  return is_query(head.query) ? Reason::none : Reason::bad_request_target;
}

[[nodiscard]] Reason split_target(RequestHead& head) {
  const std::string_view target = head.target;
  head.form = TargetForm::origin;
  head.path = {};
  head.query = {};
  head.has_query = false;
  if (target.empty()) return Reason::bad_request_target;
  if (target.front() == '/') return split_path_and_query(head, target);
  if (target == "*") {
    if (head.method != Method::options) return Reason::bad_request_target;
    head.form = TargetForm::asterisk;
    head.path = target;
    return Reason::none;
  }
  const std::size_t scheme = scheme_size(target);
  if (scheme == 0) return Reason::bad_request_target;
  return split_absolute(head, target.substr(scheme));
}

}  // namespace

bool parse_target(RequestHead& head, Reason& reason) {
  reason = split_target(head);
  return reason == Reason::none;
}

bool normalize_path(std::string_view raw, std::string& storage, std::string_view& path) {
  switch (judge(raw)) {
    case Normality::refused: return false;
    case Normality::normal: path = raw; return true;
    case Normality::to_rewrite: break;
  }
  if (!Rewriter(storage).rewrite(raw)) return false;
  path = storage == raw ? raw : std::string_view(storage);
  return true;
}

bool is_valid_authority(std::string_view text) {
  std::size_t host_end = 0;
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    if (!is_ip_v6_address(text.substr(1, bracket - 1))) return false;
    host_end = bracket + 1;
  } else {
    host_end = std::min(text.find(':'), text.size());
    if (!is_reg_name(text.substr(0, host_end))) return false;
  }
  if (host_end == text.size()) return true;
  return text[host_end] == ':' && is_valid_port(text.substr(host_end + 1));
}

std::string_view host_without_port(std::string_view authority) {
  // The colons of an IPv6 address stand inside its brackets.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
  std::string_view host = authority.substr(0, authority.find(':', from));
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  return host;
}

}  // namespace sluice::http
