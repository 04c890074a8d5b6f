#include <algorithm>
#include <tuple>
#include <utility>

#include "config/printable.h"
#include "sluice/config/node.h"

namespace sluice::config {

std::string Problem::text() const {
  std::string out = position.file;
  if (position.line > 0) {
    out += ':' + std::to_string(position.line) + ':' + std::to_string(position.column);
  }
  if (!out.empty()) out += ": ";
  if (severity == Severity::warning) out += "warning: ";
  if (!path.empty()) out += path + ": ";
  return printable(out + what);
}

void Problems::error(const Position& position, std::string path, std::string what) {
  add({position, std::move(path), std::move(what), Severity::error});
}

void Problems::warning(const Position& position, std::string path, std::string what) {
  add({position, std::move(path), std::move(what), Severity::warning});
}

void Problems::add(Problem problem) {
  if (problem.severity == Severity::error) ++errors_;
  problems_.push_back(std::move(problem));
}

void Problems::add(const Problems& others, const std::string& path) {
  for (const Problem& problem : others.problems_) {
    problems_.push_back(problem);
    if (!path.empty()) problems_.back().path = path + "." + problem.path;
  }
  errors_ += others.errors_;
}

std::vector<Problem> Problems::sorted() const {
  std::vector<Problem> out = problems_;
  std::ranges::sort(out, {}, [](const Problem& problem) {
    const Position& at = problem.position;
    return std::tie(at.file, at.line, at.column, problem.path, problem.what);
  });
  return out;
}

}  // namespace sluice::config
