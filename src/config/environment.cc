#include "config/environment.h"

#include <cstdlib>

#include "config/printable.h"

namespace sluice::config {
namespace {

constexpr std::string_view opening = "${";
constexpr std::string_view default_mark = ":-";

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !letter(name.front())) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

// `reference` is what stands between `${` and `}`.
Expansion look_up(std::string_view reference) {
  const std::size_t mark = reference.find(default_mark);
  const std::string name(reference.substr(0, mark));
  if (!is_variable_name(name)) {
    return {{},
            quote(name) +
                " is not the name of a variable; write ${NAME} or ${NAME:-default}, and $${ for a "
                "literal ${"};
  }
  const char* value = std::getenv(name.c_str());
  if (mark == std::string_view::npos) {
    if (value == nullptr) {
      return {{},
              "the environment variable " + name + " is not set; ${" + name +
                  ":-default} would give it a default"};
    }
    return {value, {}};
  }
  if (value != nullptr && *value != '\0') return {value, {}};
  return {std::string(reference.substr(mark + default_mark.size())), {}};
}

}  // namespace

Expansion expand_variables(std::string_view text) {
  Expansion out;
  while (true) {
    const std::size_t start = text.find(opening);
    out.text += text.substr(0, start);
    if (start == std::string_view::npos) return out;
    const bool escaped = start > 0 && text[start - 1] == '$';
    text.remove_prefix(start + opening.size());
    if (escaped) {
      out.text += '{';  // after the `$` that escapes, which is now the literal one
      continue;
    }
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos)
      return {{}, "${ without a closing }; $${ stands for a literal ${"};
    Expansion value = look_up(text.substr(0, end));
    if (!value.error.empty()) return value;
    out.text += value.text;
    text.remove_prefix(end + 1);
  }
}

}  // namespace sluice::config
