#include "route/table/text_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sluice/base/hash.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

// The eight letters of a word in lower case, at once.
std::uint64_t lower_word(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
  const std::uint64_t low_bits = word & (0x7f * ones);
  const std::uint64_t is_from_a = low_bits + (0x80 - 'A') * ones;
  const std::uint64_t is_after_z = low_bits + (0x7f - 'Z') * ones;
  const std::uint64_t is_upper = (is_from_a ^ is_after_z) & ~word & (0x80 * ones);
  return word | (is_upper >> 2);
}

template <typename Word>
std::uint64_t load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Calls `visit` with the bytes of the text, eight at a time, in a way that does not depend on what
// is behind it; the last word may repeat bytes. Stops when `visit` returns false.
template <typename Visit>
void for_each_word(std::string_view text, Case letters, Visit visit) {
  const auto folded = [&](std::uint64_t word) {
    return letters == Case::ignored ? lower_word(word) : word;
  };
  const char* const begin = text.data();
  const std::size_t size = text.size();
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      if (!visit(folded(load<std::uint64_t>(begin + i)), i)) return;
    }
    visit(folded(load<std::uint64_t>(begin + size - 8)), size - 8);
  } else if (size >= 4) {
    const std::uint64_t last = load<std::uint32_t>(begin + size - 4);
    visit(folded(load<std::uint32_t>(begin) | last << 32), 0);
  } else if (size > 0) {
    const auto byte = [&](std::size_t at) { return load<std::uint8_t>(begin + at); };
    visit(folded(byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16), 0);
  }
}

std::uint32_t hash_of(std::string_view text, Case letters) {
  std::uint64_t hash = text.size() * 0x9e37'79b9'7f4a'7c15;
  for_each_word(text, letters, [&](std::uint64_t word, std::size_t) {
    hash = (hash ^ word) * 0x9fb2'1c65'1e98'df25;
    hash ^= hash >> 32;
    return true;
  });
  return static_cast<std::uint32_t>(base::mix(hash));
}

// `known` has the size of `text`, and is in lower case when case is ignored.
bool is_same(std::string_view text, std::string_view known, Case letters) {
  if (letters == Case::counts) return text == known;
  bool same = true;
  for_each_word(text, letters, [&](std::uint64_t word, std::size_t at) {
    if (text.size() >= 8) {
      same = word == load<std::uint64_t>(known.data() + at);
    } else {
      same = base::equals_ignoring_case(text, known);
    }
    return same;
  });
  return same;
}

}  // namespace

TextTable::TextTable(const std::vector<std::pair<std::string, std::uint32_t>>& entries,
                     Case letters)
    : letters_(letters) {
  if (entries.empty()) return;
  slots_.resize(std::bit_ceil(entries.size() * 2));
  for (const auto& [text, number] : entries) {
    const std::uint32_t hash = hash_of(text, letters);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].number != nowhere) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {number, static_cast<std::uint32_t>(texts_.size()),
                  static_cast<std::uint32_t>(text.size()), hash};
    texts_ += text;
    longest_ = std::max(longest_, text.size());
  }
}

std::uint32_t TextTable::find(std::string_view text) const {
  if (slots_.empty() || text.size() > longest_) return nowhere;
  const std::uint32_t hash = hash_of(text, letters_);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].number != nowhere;
       at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.hash != hash || slot.size != text.size()) continue;
    const std::string_view known = std::string_view(texts_).substr(slot.begin, slot.size);
    if (is_same(text, known, letters_)) return slot.number;
  }
  return nowhere;
}

}  // namespace sluice::route
