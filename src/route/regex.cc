#include "sluice/route/regex.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <cstdint>
#include <utility>

namespace sluice::route {

namespace {

// Of the program and the automaton built while searching. `(a{1000}){1000}` needs far more and is
// refused; when the automaton runs out of room RE2 goes on more slowly, still in linear time.
constexpr std::int64_t memory_max = 1 << 20;

// Of a set; what it takes is what the texts searched so far needed.
constexpr std::int64_t set_memory_base = 8 << 20;
constexpr std::int64_t set_memory_each = 8 << 10;

// A text that the automaton has not met costs time in the number of expressions for each of its
// bytes. Searching for each one alone is the better way through texts made for that.
constexpr std::size_t set_text_max = 4096;

constexpr std::string_view ignoring_case = "(?i)";

RE2::Options options(std::int64_t memory) {
  RE2::Options made(RE2::Latin1);
  made.set_max_mem(memory);
  made.set_log_errors(false);
  return made;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct Regex::Compiled {
  Compiled(std::string_view pattern, bool ignores_case)
      : flags(ignores_case ? ignoring_case.size() : 0),
        text((ignores_case ? std::string(ignoring_case) : std::string()).append(pattern)),
        regex(piece(text), options(memory_max)) {}
  std::size_t flags;  // bytes of `text` before the pattern
  std::string text;
  RE2 regex;
};

Regex::Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

std::optional<Regex> Regex::compile(std::string_view pattern, std::string& error,
                                    bool ignore_case) {
  if (pattern.empty() || pattern.size() > pattern_bytes_max) {
    error = "must have 1 to " + std::to_string(pattern_bytes_max) + " bytes";
    return std::nullopt;
  }
  auto compiled = std::make_shared<const Compiled>(pattern, ignore_case);
  if (!compiled->regex.ok()) {
    error = compiled->regex.error();
    return std::nullopt;
  }
  return Regex(std::move(compiled));
}

bool Regex::is_found_in(std::string_view text) const {
  return RE2::PartialMatch(piece(text), compiled_->regex);
}

std::string Regex::pattern() const { return compiled_->text.substr(compiled_->flags); }

const std::string& Regex::text() const { return compiled_->text; }

struct RegexSet::Compiled {
  explicit Compiled(std::size_t count)
      : set(options(set_memory_base + set_memory_each * static_cast<std::int64_t>(count)),
            RE2::UNANCHORED) {}
  RE2::Set set;
};

RegexSet::RegexSet(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

std::optional<RegexSet> RegexSet::compile(const std::vector<std::string>& texts) {
  auto compiled = std::make_shared<Compiled>(texts.size());
  for (const std::string& text : texts) {
    if (compiled->set.Add(piece(text), nullptr) < 0) return std::nullopt;
  }
  if (!compiled->set.Compile()) return std::nullopt;
  return RegexSet(std::move(compiled));
}

const std::vector<int>* RegexSet::find_in(std::string_view text) const {
  thread_local std::vector<int> found;
  found.clear();
  if (text.size() > set_text_max) return nullptr;
  RE2::Set::ErrorInfo error{};
  // Whether there are any costs no allocation to find out, which ones does.
  if (compiled_->set.Match(piece(text), nullptr, &error) &&
      compiled_->set.Match(piece(text), &found, &error)) {
    return &found;
  }
  return error.kind == RE2::Set::kNoError ? &found : nullptr;
}

}  // namespace sluice::route
