#include "app/cli/instance.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "app/cli/failure.h"
#include "app/cli/http_call.h"
#include "app/cli/values.h"
#include "app/cli/words.h"
#include "sluice/base/file.h"
#include "sluice/base/text.h"

namespace sluice::app::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds answer_time{10'000};  // of one question, within the command's time
constexpr std::size_t token_bytes_max = 4 * 1024;
constexpr std::size_t detail_bytes_max = 8 * 1024;
constexpr std::size_t problems_max = 1'000;

// The first line, as in the field Authorization (RFC 6750 2.1).
std::string read_token(const std::string& path) {
  if (path.empty()) return {};
  std::string error;
  const auto content = base::read_file(path, token_bytes_max, error);
  if (!content.has_value()) throw Failure("--token-file " + shown(path) + ": " + error);
  std::string_view token = content->bytes;
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.remove_suffix(1);
  token = base::trim(token);
  const auto is_visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (token.empty() || !std::ranges::all_of(token, is_visible)) {
    throw Failure("--token-file " + shown(path) + ": must hold one token, without spaces");
  }
  return std::string(token);
}

AdminAddress parsed_address(const std::string& text) {
  std::string error;
  auto address = AdminAddress::parse(text, error);
  if (!address.has_value()) throw Failure("--admin or SLUICE_ADMIN: " + error);
  return std::move(*address);
}

// Only well-formed JSON; its depth is bounded by the parser.
bool parse(const std::string& text, json::value& out) {
  boost::system::error_code error;
  out = json::parse(text, error);
  return !error;
}

}  // namespace

Instance::Instance(const AdminOptions& options, milliseconds timeout)
    : address_(parsed_address(options.admin)),
      token_file_(options.token_file),
      token_(read_token(options.token_file)),
      end_(steady_clock::now() + timeout),
      timeout_(timeout) {}

Answer Instance::get(const std::string& path) { return ask("GET", path, {}); }

Answer Instance::send(std::string_view method, const std::string& path, const json::value& body) {
  return ask(method, path, body.is_null() ? std::string() : json::serialize(body));
}

milliseconds Instance::left() const {
  const auto left = std::chrono::ceil<milliseconds>(end_ - steady_clock::now());
  return std::max(left, milliseconds(0));
}

void Instance::fail_as_stranger() const {
  throw Failure(shown(address_.text) + " does not answer as the admin listener of Sluice does; " +
                "is that the right address for --admin?");
}

Answer Instance::ask(std::string_view method, const std::string& path, const std::string& body) {
  if (left() == milliseconds(0)) throw Failure("not done within " + shown(timeout_));
  // A reload looks up names and reads files before it answers.
  const bool is_slow = path == "/v1/reload";
  const HttpAnswer answer =
      call(address_, {.method = method, .path = path, .body = body, .token = token_},
           is_slow ? left() : std::min(left(), answer_time));
  if (answer.is_refused) {
    throw Failure("nothing listens at " + shown(address_.text) + " (" + answer.error +
                  "): is Sluice running? --admin or SLUICE_ADMIN says where its admin listener is");
  }
  if (answer.status == 0) throw Failure(shown(address_.text) + ": " + shown(answer.error));
  if (answer.status < 200 || answer.status > 299) refuse(answer.status, answer.body);
  Answer out{.status = answer.status, .text = answer.body, .parsed = nullptr};
  if (!out.text.empty() && !parse(out.text, out.parsed)) fail_as_stranger();
  return out;
}

// Problems are RFC 9457's; anything else is told by its status only.
void Instance::refuse(unsigned status, const std::string& body) const {
  json::value problem;
  std::string detail;
  if (parse(body, problem)) {
    detail = text_at(problem, "/detail");
    if (detail.empty()) detail = text_at(problem, "/title");
    if (detail.size() > detail_bytes_max) detail = detail.substr(0, detail_bytes_max) + "...";
  }
  std::string said = detail.empty() ? "status " + std::to_string(status)
                                    : detail + " (status " + std::to_string(status) + ")";
  // Those of a configuration, one line each, as `sluice check` prints them.
  std::size_t problems = 0;
  for (const json::value& each : list_at(problem, "/problems")) {
    if (++problems > problems_max) break;
    said.append("\n").append(text_at(each, ""));
  }
  if (status != 401 && status != 403) throw Refusal(said);
  throw Failure(shown(address_.text) + " refuses: " + said +
                (token_file_.empty() ? "; --token-file names the file with its token"
                                     : "; is the token in --token-file " + shown(token_file_) +
                                           " the one it has?"));
}

std::string group_path(std::string_view group) {
  return "/v1/target-groups/" + path_segment(group);
}

std::string targets_path(std::string_view group) { return group_path(group) + "/targets"; }

std::string target_path(std::string_view group, std::string_view target) {
  return targets_path(group) + "/" + path_segment(target);
}

Answer get_list(Instance& instance, const std::string& path, std::string_view member) {
  Answer answer = instance.get(path);
  const bool is_good = answer.parsed.is_array() &&
                       std::ranges::all_of(answer.parsed.get_array(), [&](const json::value& each) {
                         return !text_at(each, member).empty();
                       });
  if (!is_good) instance.fail_as_stranger();
  return answer;
}

}  // namespace sluice::app::cli
