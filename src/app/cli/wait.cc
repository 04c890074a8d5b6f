#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <thread>

#include "app/cli/commands.h"
#include "app/cli/failure.h"
#include "app/cli/values.h"
#include "app/cli/words.h"

namespace sluice::app::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

// The first look comes after a pause: by then every worker knows that they are to have no more
// work, and a count of 0 stays 0.
constexpr milliseconds pause{250};

// How far they are, at one moment.
struct Progress {
  std::size_t waiting_for = 0;
  std::uint64_t requests = 0;      // that these have under way
  std::uint64_t seconds_left = 0;  // until the last of them is cut; 0: nobody says
  std::string first;               // of them

  [[nodiscard]] std::string text() const {
    std::string text = waiting_for == 1 ? first : counted(waiting_for, "target");
    text += ": " + counted(requests, "request") + " under way";
    if (seconds_left > 0) text += ", cut in " + shown(std::chrono::seconds(seconds_left));
    return text;
  }
};

bool is_drained(const json::value& target) {
  const std::string state = text_at(target, "/state");
  return (state == "draining" || state == "unused") && count_at(target, "/active_requests") == 0;
}

Progress look(const json::array& list, const std::vector<std::string>& targets, bool until_gone) {
  constexpr std::uint64_t century = 3'155'760'000;
  Progress progress;
  for (const json::value& each : list) {
    const std::string id = text_at(each, "/id");
    if (std::ranges::find(targets, id) == targets.end()) continue;
    if (!until_gone && is_drained(each)) continue;
    if (++progress.waiting_for == 1) progress.first = id;
    progress.requests += std::min(count_at(each, "/active_requests"), century);
    progress.seconds_left = std::max(
        progress.seconds_left, std::min(count_at(each, "/deregistration_remaining_s"), century));
  }
  return progress;
}

// On a terminal one line that changes; otherwise a line for each change in the number of targets or
// requests.
class Report {
 public:
  explicit Report(bool is_quiet) : is_quiet_(is_quiet) {}
  ~Report() { clear(); }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  void show(const Progress& progress) {
    if (is_quiet_) return;
    std::string text = progress.text();
    if (terminal_.is_terminal) {
      if (terminal_.width.has_value()) text.resize(std::min(text.size(), *terminal_.width - 1));
      clear();
      std::cerr << text << std::flush;
      is_shown_ = true;
    } else if (progress.waiting_for != last_.waiting_for || progress.requests != last_.requests) {
      std::cerr << text << "\n";
    }
    last_ = progress;
  }

 private:
  void clear() {
    if (is_shown_) std::cerr << "\r\x1b[K" << std::flush;
    is_shown_ = false;
  }

  const bool is_quiet_;
  const Terminal terminal_ = Terminal::of(STDERR_FILENO);
  bool is_shown_ = false;
  Progress last_;
};

}  // namespace

void wait_for_targets(Instance& instance, const std::string& group,
                      std::vector<std::string> targets, bool until_gone, bool is_quiet) {
  for (std::string& target : targets) target = shown(target);  // as `text_at` tells ids
  Report report(is_quiet);
  Progress progress;
  do {
    std::this_thread::sleep_for(std::min(pause, instance.left()));
    const Answer list = get_list(instance, targets_path(group), "/id");
    progress = look(list.parsed.get_array(), targets, until_gone);
    if (progress.waiting_for == 0) return;
    report.show(progress);
  } while (instance.left() > pause);
  throw Failure("the time is over; " + progress.text());
}

}  // namespace sluice::app::cli
