#include "proxy/nominations.h"

#include <algorithm>
#include <cstddef>

#include "sluice/base/text.h"

namespace sluice::proxy {

namespace {

using http::Field;
using http::FieldName;

// Whose names an option can be meant for; one that names no field of the message means nothing.
struct Candidate {
  std::string_view name;
  bool is_nominated = false;
};

// Some order in which names that differ by case only are equal.
bool is_before(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() < b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char x = base::lower(a[i]);
    const char y = base::lower(b[i]);
    if (x != y) return x < y;
  }
  return false;
}

// What these name never passes anyway.
bool is_understood(std::string_view option) {
  return base::equals_ignoring_case(option, "close") ||
         base::equals_ignoring_case(option, "keep-alive") ||
         base::equals_ignoring_case(option, "upgrade");
}

std::vector<Candidate> candidates_of(const http::Fields& fields) {
  std::vector<Candidate> candidates;
  for (const Field& field : fields) {
    if (http::is_hop_by_hop(field.known) || http::is_protected_from_nomination(field.name)) {
      continue;
    }
    candidates.push_back({field.name});
  }
  std::ranges::sort(candidates, is_before, &Candidate::name);
  const auto rest = std::ranges::unique(
      candidates, [](std::string_view a, std::string_view b) { return !is_before(a, b); },
      &Candidate::name);
  candidates.erase(rest.begin(), rest.end());
  return candidates;
}

}  // namespace

Nominations::Nominations(const http::Fields& fields) {
  std::vector<Candidate> candidates;
  bool has_candidates = false;
  for (const Field& field : fields) {
    if (field.known != FieldName::connection) continue;
    http::for_each_element(field.value, [&](std::string_view option) {
      if (is_understood(option)) return;
      if (!has_candidates) candidates = candidates_of(fields);
      has_candidates = true;
      const auto found = std::ranges::lower_bound(candidates, option, is_before, &Candidate::name);
      if (found != candidates.end() && !is_before(option, found->name)) found->is_nominated = true;
    });
  }
  for (const Candidate& candidate : candidates) {
    if (candidate.is_nominated) names_.push_back(candidate.name);
  }
}

bool Nominations::finds(std::string_view name) const {
  return std::ranges::binary_search(names_, name, is_before);
}

}  // namespace sluice::proxy
