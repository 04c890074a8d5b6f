#include "sluice/route/regex.h"

#include <re2/re2.h>

#include <cstdint>
#include <utility>

namespace sluice::route {

namespace {

// Of the program and the automaton built while searching. `(a{1000}){1000}` needs far more and is
// refused; when the automaton runs out of room RE2 goes on more slowly, still in linear time.
constexpr std::int64_t memory_max = 1 << 20;

RE2::Options options() {
  RE2::Options made(RE2::Latin1);
  made.set_max_mem(memory_max);
  made.set_log_errors(false);
  return made;
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(std::string_view pattern)
      : regex(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
  RE2 regex;
};

Regex::Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

std::optional<Regex> Regex::compile(std::string_view pattern, std::string& error) {
  if (pattern.empty() || pattern.size() > pattern_bytes_max) {
    error = "must have 1 to " + std::to_string(pattern_bytes_max) + " bytes";
    return std::nullopt;
  }
  auto compiled = std::make_shared<const Compiled>(pattern);
  if (!compiled->regex.ok()) {
    error = compiled->regex.error();
    return std::nullopt;
  }
  return Regex(std::move(compiled));
}

bool Regex::is_found_in(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->regex);
}

}  // namespace sluice::route
