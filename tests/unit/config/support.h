// Helpers of the tests of `config`: text in, model and messages out.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/config/load.h"

namespace sluice::config::test {

struct Loaded {
  std::optional<Model> model;
  std::vector<std::string> messages;  // sorted, warnings included
};

inline Loaded load_yaml(std::string_view text) {
  Problems problems;
  Loaded out;
  out.model = load_text(text, "f", problems);
  for (const Problem& problem : problems.sorted()) out.messages.push_back(problem.text());
  return out;
}

// A valid file in which something can be wrong: the smallest listener, on line 1, and then `more`,
// which begins on line 2.
inline constexpr std::string_view smallest = "listeners: [{ name: a, bind: \"127.0.0.1:80\" }]\n";
inline Loaded load_after_listener(std::string_view more) {
  return load_yaml(std::string(smallest) + std::string(more));
}

// The same with a target group whose further keys begin on line 4, at column 5.
inline Loaded load_group(std::string_view more) {
  return load_after_listener("target_groups:\n  - name: g\n" + std::string(more));
}

// All messages, one a line.
inline std::string joined(const Loaded& loaded) {
  std::string out;
  for (const std::string& message : loaded.messages) out += message + '\n';
  return out;
}

// An environment variable for the length of a test.
class Variable {
 public:
  Variable(std::string name, const char* value) : name_(std::move(name)) {
    setenv(name_.c_str(), value, 1);
  }
  ~Variable() { unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
};

}  // namespace sluice::config::test
