#include "sluice/http/content_coding.h"

#include <algorithm>

#include "sluice/base/text.h"
#include "sluice/http/field_list.h"

namespace sluice::http {
namespace {

constexpr int weight_most = 1000;

// `q=0.5`: in thousandths (RFC 9110 12.4.2); nothing when it is none.
std::optional<int> read_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.front() != '0' && text.front() != '1')) {
    return std::nullopt;
  }
  int weight = (text.front() - '0') * weight_most;
  if (text.size() == 1) return weight;
  if (text[1] != '.') return std::nullopt;
  int place = weight_most / 10;
  for (const char c : text.substr(2)) {
    if (c < '0' || c > '9') return std::nullopt;
    weight += (c - '0') * place;
    place /= 10;
  }
  return weight <= weight_most ? std::optional(weight) : std::nullopt;
}

struct Preference {
  std::string_view name;
  int weight = weight_most;
};

// `br;q=0.8`. One that makes no sense weighs nothing.
Preference read_preference(std::string_view element) {
  const std::size_t semicolon = element.find(';');
  Preference preference{.name = base::trim(element.substr(0, semicolon))};
  if (semicolon == std::string_view::npos) return preference;
  const std::string_view parameter = base::trim(element.substr(semicolon + 1));
  const bool is_weight =
      parameter.size() > 2 && base::lower(parameter[0]) == 'q' && parameter[1] == '=';
  preference.weight = is_weight ? read_weight(parameter.substr(2)).value_or(0) : 0;
  return preference;
}

bool names(std::string_view name, ContentCoding coding) {
  // RFC 9110 8.4.1.3: x-gzip is gzip.
  return base::equals_ignoring_case(name, name_of(coding)) ||
         (coding == ContentCoding::gzip && base::equals_ignoring_case(name, "x-gzip"));
}

}  // namespace

std::string_view name_of(ContentCoding coding) {
  constexpr std::array<std::string_view, content_codings.size()> names{"gzip", "br", "zstd"};
  return names[static_cast<std::size_t>(coding)];
}

std::optional<ContentCoding> content_coding(std::string_view name) {
  for (const ContentCoding coding : content_codings) {
    if (name == name_of(coding)) return coding;
  }
  return std::nullopt;
}

LevelRange levels_of(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::gzip: return {1, 9, 5};
    // Beyond these a worker would stand still for milliseconds about each piece.
    case ContentCoding::brotli: return {0, 9, 4};
    case ContentCoding::zstd: return {1, 12, 3};
  }
  return {0, 0, 0};
}

std::optional<ContentCoding> choose_coding(std::string_view accept_encoding,
                                           std::span<const ContentCoding> offered) {
  constexpr int not_named = -1;
  std::array<int, content_codings.size()> weights;
  weights.fill(not_named);
  int identity = not_named;
  int others = not_named;  // of `*`
  for_each_element(accept_encoding, [&](std::string_view element) {
    const Preference preference = read_preference(element);
    if (preference.name == "*") others = preference.weight;
    if (base::equals_ignoring_case(preference.name, "identity")) identity = preference.weight;
    for (const ContentCoding coding : content_codings) {
      if (names(preference.name, coding)) {
        weights[static_cast<std::size_t>(coding)] = preference.weight;
      }
    }
  });
  std::optional<ContentCoding> best;
  int best_weight = std::max(identity, 0);
  for (const ContentCoding coding : offered) {
    int weight = weights[static_cast<std::size_t>(coding)];
    if (weight == not_named) weight = others;
    // As good as identity is good enough for the first; later ones must be better than it.
    if (weight <= 0 || (best ? weight <= best_weight : weight < best_weight)) continue;
    best = coding;
    best_weight = weight;
  }
  return best;
}

}  // namespace sluice::http
