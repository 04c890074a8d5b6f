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

std::uint32_t hash_of(std::string_view text, Case letters) {
  std::uint64_t hash = text.size() * 0x9e37'79b9'7f4a'7c15;
  for (std::size_t i = 0; i < text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min<std::size_t>(8, text.size() - i));
    if (letters == Case::ignored) word = lower_word(word);
    hash = (hash ^ word) * 0x9fb2'1c65'1e98'df25;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(base::mix(hash));
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
    const bool is_same =
        letters_ == Case::ignored ? base::equals_ignoring_case(text, known) : text == known;
    if (is_same) return slot.number;
  }
  return nowhere;
}

}  // namespace sluice::route
