// A running instance, as the commands see it: questions and answers in JSON.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "app/cli/address.h"
#include "sluice/app/options.h"

namespace sluice::app::cli {

struct Answer {
  unsigned status = 0;        // 200 to 299
  std::string text;           // as it came
  boost::json::value parsed;  // null when there is no text
};

class Instance {
 public:
  // Throws Failure when the address or the token cannot be used.
  Instance(const AdminOptions& options, std::chrono::milliseconds timeout);

  // Each throws Failure without an answer, and Refusal when it is another than 2xx.
  Answer get(const std::string& path);
  Answer send(std::string_view method, const std::string& path,
              const boost::json::value& body = nullptr);

  // The time that is left for the whole command.
  [[nodiscard]] std::chrono::milliseconds left() const;
  [[nodiscard]] const std::string& name() const { return address_.text; }
  // For answers in JSON that are not what the admin API gives.
  [[noreturn]] void fail_as_stranger() const;

 private:
  Answer ask(std::string_view method, const std::string& path, const std::string& body);
  [[noreturn]] void refuse(unsigned status, const std::string& body) const;

  AdminAddress address_;
  std::string token_file_;
  std::string token_;
  std::chrono::steady_clock::time_point end_;
  std::chrono::milliseconds timeout_;
};

// --- its target groups --------------------------------------------------------------------------

[[nodiscard]] std::string group_path(std::string_view group);
[[nodiscard]] std::string targets_path(std::string_view group);
[[nodiscard]] std::string target_path(std::string_view group, std::string_view target);

// Throw as `get`, and when the answer is not an array of objects that each have the member.
[[nodiscard]] Answer get_list(Instance& instance, const std::string& path, std::string_view member);

}  // namespace sluice::app::cli
