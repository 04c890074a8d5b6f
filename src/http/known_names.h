// Look-up of field names by a perfect hash: one multiplication, one candidate, at most three words
// to compare. Inlined into the head parser; others call `field_name`.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "http/byte_search.h"
#include "sluice/http/field.h"

namespace sluice::http::known_names {

struct Spelling {
  FieldName name;
  std::string_view text;  // in lower case, letters and '-' only
};

inline constexpr Spelling spellings[] = {
    {FieldName::accept_encoding, "accept-encoding"},
    {FieldName::authorization, "authorization"},
    {FieldName::connection, "connection"},
    {FieldName::content_encoding, "content-encoding"},
    {FieldName::content_length, "content-length"},
    {FieldName::content_type, "content-type"},
    {FieldName::cookie, "cookie"},
    {FieldName::date, "date"},
    {FieldName::expect, "expect"},
    {FieldName::forwarded, "forwarded"},
    {FieldName::host, "host"},
    {FieldName::keep_alive, "keep-alive"},
    {FieldName::location, "location"},
    {FieldName::proxy_authenticate, "proxy-authenticate"},
    {FieldName::proxy_authorization, "proxy-authorization"},
    {FieldName::proxy_connection, "proxy-connection"},
    {FieldName::referer, "referer"},
    {FieldName::server, "server"},
    {FieldName::set_cookie, "set-cookie"},
    {FieldName::te, "te"},
    {FieldName::traceparent, "traceparent"},
    {FieldName::tracestate, "tracestate"},
    {FieldName::trailer, "trailer"},
    {FieldName::transfer_encoding, "transfer-encoding"},
    {FieldName::upgrade, "upgrade"},
    {FieldName::user_agent, "user-agent"},
    {FieldName::via, "via"},
    {FieldName::x_amzn_trace_id, "x-amzn-trace-id"},
    {FieldName::x_forwarded_for, "x-forwarded-for"},
    {FieldName::x_forwarded_host, "x-forwarded-host"},
    {FieldName::x_forwarded_port, "x-forwarded-port"},
    {FieldName::x_forwarded_proto, "x-forwarded-proto"},
    {FieldName::x_real_ip, "x-real-ip"},
    {FieldName::x_request_id, "x-request-id"},
};

inline constexpr std::size_t shortest_name = 2;
inline constexpr std::size_t longest_name = 24;  // what three words cover

// `count` <= 8 bytes at `at`, the first one lowest.
template <int count>
[[nodiscard]] constexpr std::uint64_t load(const char* at) {
  if (std::is_constant_evaluated() || std::endian::native != std::endian::little) {
    std::uint64_t word = 0;
    for (int i = 0; i < count; ++i) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
    }
    return word;
  }
  if constexpr (count == 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  } else if constexpr (count == 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  } else {
    static_assert(count == 2);
    std::uint16_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
}

// All bytes of a name of 2 to 24 bytes, in words that overlap so that nothing outside is read.
struct Words {
  std::uint64_t first = 0;
  std::uint64_t middle = 0;
  std::uint64_t last = 0;
};

[[nodiscard]] constexpr Words words_of(const char* at, std::size_t size) {
  if (size >= 8) return {load<8>(at), load<8>(at + (size > 16 ? 8 : 0)), load<8>(at + size - 8)};
  if (size >= 4) return {load<4>(at), 0, load<4>(at + size - 4)};
  return {load<2>(at), 0, load<2>(at + size - 2)};
}

struct Entry {
  std::size_t size = 0;
  Words text;
  Words case_bits;  // 0x20 where the name has a letter: folding '-' too would let 0x0d pass for it
  FieldName name = FieldName::other;
};

// Two bytes of each end and the length tell all names apart. Case is folded roughly: this only
// chooses the candidate.
[[nodiscard]] constexpr std::uint64_t key_of(const char* at, std::size_t size) {
  const std::uint64_t ends = load<2>(at) | load<2>(at + size - 2) << 16;
  return (ends | 0x20202020U) | static_cast<std::uint64_t>(size) << 32;
}

inline constexpr int slot_bits = 7;
inline constexpr std::size_t slot_count = std::size_t{1} << slot_bits;

[[nodiscard]] constexpr std::size_t slot_of(std::uint64_t key, std::uint64_t multiplier) {
  return static_cast<std::size_t>((key * multiplier) >> (64 - slot_bits));
}

struct Table {
  std::uint64_t multiplier = 0;
  std::array<std::uint8_t, slot_count> slots{};  // index into entries; 0: none
  std::array<Entry, std::size(spellings) + 1> entries{};
};

[[nodiscard]] constexpr bool separates_all_names(std::uint64_t multiplier) {
  std::array<bool, slot_count> taken{};
  for (const Spelling& spelling : spellings) {
    bool& slot = taken[slot_of(key_of(spelling.text.data(), spelling.text.size()), multiplier)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

[[nodiscard]] constexpr std::uint64_t find_multiplier() {
  std::uint64_t candidate = 0x9e3779b97f4a7c15U;  // any odd start will do
  while (!separates_all_names(candidate))
    candidate = candidate * 6364136223846793005U + 1442695040888963407U;
  return candidate;
}

// Found by the compiler; the constant only keeps that search short.
inline constexpr Table table = [] {
  Table built;
  built.multiplier = find_multiplier();
  std::uint8_t index = 0;
  for (const Spelling& spelling : spellings) {
    const std::size_t size = spelling.text.size();
    char case_bits[longest_name] = {};
    for (std::size_t i = 0; i < size; ++i) case_bits[i] = spelling.text[i] == '-' ? '\0' : '\x20';
    built.entries[++index] = {size, words_of(spelling.text.data(), size), words_of(case_bits, size),
                              spelling.name};
    built.slots[slot_of(key_of(spelling.text.data(), size), built.multiplier)] = index;
  }
  return built;
}();

[[nodiscard]] inline FieldName look_up(std::string_view name) {
  if (name.size() < shortest_name || name.size() > longest_name) return FieldName::other;
  const std::size_t slot = slot_of(key_of(name.data(), name.size()), table.multiplier);
  const Entry& entry = table.entries[table.slots[slot]];
  if (entry.size != name.size()) return FieldName::other;
  const Words words = words_of(name.data(), name.size());
  const std::uint64_t difference = ((words.first | entry.case_bits.first) ^ entry.text.first) |
                                   ((words.middle | entry.case_bits.middle) ^ entry.text.middle) |
                                   ((words.last | entry.case_bits.last) ^ entry.text.last);
  return difference == 0 ? entry.name : FieldName::other;
}

}  // namespace sluice::http::known_names
