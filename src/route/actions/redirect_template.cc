#include "route/actions/redirect_template.h"

#include <algorithm>
#include <array>

#include "route/kind.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

constexpr std::size_t template_limit = 1024;  // bytes; ALB: 128

struct Name {
  std::string_view text;
  Placeholder placeholder;
};

constexpr std::array names{
    Name{"#{protocol}", Placeholder::protocol}, Name{"#{host}", Placeholder::host},
    Name{"#{port}", Placeholder::port},         Name{"#{path}", Placeholder::path},
    Name{"#{query}", Placeholder::query},
};

std::string list_of_allowed(std::initializer_list<Placeholder> allowed) {
  std::vector<std::string_view> texts;
  for (const Name& name : names) {
    if (std::ranges::find(allowed, name.placeholder) != allowed.end()) texts.push_back(name.text);
  }
  return list_of(texts);
}

void append_encoded(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c > ' ' && c <= '~') {
      out += c;
      continue;
    }
    base::append_percent_encoded(out, c);
  }
}

}  // namespace

std::optional<RedirectTemplate> parse_template(const config::Node& node, std::string_view text,
                                               std::initializer_list<Placeholder> allowed,
                                               config::Problems& problems) {
  if (text.size() > template_limit) {
    node.error("must have at most " + std::to_string(template_limit) + " bytes", problems);
    return std::nullopt;
  }
  std::vector<RedirectTemplate::Piece> pieces;
  while (!text.empty()) {
    const std::size_t mark = text.find("#{");
    if (mark > 0) pieces.push_back({.literal = std::string(text.substr(0, mark))});
    if (mark == std::string_view::npos) break;
    text.remove_prefix(mark);
    const auto name = std::ranges::find_if(
        names, [&](const Name& known) { return text.starts_with(known.text); });
    if (name == names.end() || std::ranges::find(allowed, name->placeholder) == allowed.end()) {
      node.error("may have the placeholders " + list_of_allowed(allowed) + " only, not those of " +
                     node.quoted(),
                 problems);
      return std::nullopt;
    }
    pieces.push_back({.placeholder = name->placeholder, .literal = {}});
    text.remove_prefix(name->text.size());
  }
  return RedirectTemplate(std::move(pieces));
}

void RedirectTemplate::append_to(std::string& out, const RedirectInput& input,
                                 std::size_t limit) const {
  for (const Piece& piece : pieces_) {
    if (out.size() > limit) return;
    switch (piece.placeholder) {
      case Placeholder::none: out += piece.literal; break;
      case Placeholder::protocol: out += input.protocol; break;
      case Placeholder::host: append_encoded(out, input.host); break;
      case Placeholder::port: base::append_decimal(out, input.port); break;
      case Placeholder::path:
        append_encoded(out,
                       input.path.starts_with('/') ? input.path.substr(1) : std::string_view{});
        break;
      case Placeholder::query: append_encoded(out, input.query); break;
    }
  }
}

}  // namespace sluice::route
