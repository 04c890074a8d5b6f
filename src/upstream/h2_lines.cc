#include "upstream/h2_lines.h"

#include "sluice/base/text.h"

namespace sluice::upstream {

namespace {

bool is_sensitive(std::string_view name) {
  return base::equals_ignoring_case(name, "authorization") ||
         base::equals_ignoring_case(name, "proxy-authorization");
}

}  // namespace

void split_lines(base::Bytes text, std::vector<http::H2Session::Line>& lines) {
  lines.clear();
  std::string_view rest = base::as_text(text);
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    if (end == std::string_view::npos || end == 0) return;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = line.find(':', 1);  // behind the first of `:status`
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    const std::string_view name = line.substr(0, colon);
    lines.push_back({.name = name, .value = value, .is_sensitive = is_sensitive(name)});
  }
}

}  // namespace sluice::upstream
