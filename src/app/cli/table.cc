#include "app/cli/table.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::app::cli {
namespace {

constexpr std::size_t gap = 2;
constexpr std::string_view end_of_colour = "\x1b[0m";

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::none: return "";
    case Colour::good: return "\x1b[32m";
    case Colour::warning: return "\x1b[33m";
    case Colour::bad: return "\x1b[31m";
    case Colour::faint: return "\x1b[2m";
  }
  return "";
}

}  // namespace

Table::Table(std::vector<Column> columns)
    : columns_(std::move(columns)), has_text_(columns_.size(), false) {
  for (const Column& column : columns_) widths_.push_back(column.title.size());
}

void Table::add(std::vector<Cell> row) {
  row.resize(columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    widths_[i] = std::max(widths_[i], row[i].text.size());
    if (!row[i].text.empty()) has_text_[i] = true;
  }
  rows_.push_back(std::move(row));
}

std::string Table::text(const Terminal& terminal) const {
  const std::vector<std::size_t> shown = shown_columns(terminal);
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.push_back({.text = column.title});
  std::string out;
  if (std::ranges::any_of(titles, [](const Cell& each) { return !each.text.empty(); })) {
    append_line(out, shown, titles, false);
  }
  for (const std::vector<Cell>& row : rows_) append_line(out, shown, row, terminal.has_colours);
  return out;
}

std::vector<std::size_t> Table::shown_columns(const Terminal& terminal) const {
  std::vector<std::size_t> shown;
  std::size_t width = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!has_text_[i] && !rows_.empty()) continue;
    width += widths_[i] + (shown.empty() ? 0 : gap);
    shown.push_back(i);
  }
  while (terminal.width.has_value() && width > *terminal.width) {
    const auto order = [this](std::size_t i) { return columns_[i].goes_first; };
    const auto next = std::ranges::max_element(shown, {}, order);
    if (next == shown.end() || order(*next) == 0) break;  // the terminal breaks the lines
    width -= widths_[*next] + gap;
    shown.erase(next);
  }
  return shown;
}

void Table::append_line(std::string& out, const std::vector<std::size_t>& shown,
                        const std::vector<Cell>& row, bool has_colours) const {
  for (std::size_t n = 0; n < shown.size(); ++n) {
    const std::size_t i = shown[n];
    const Cell& cell = row[i];
    const std::size_t padding = widths_[i] - cell.text.size();
    if (n > 0) out.append(gap, ' ');
    if (columns_[i].is_number) out.append(padding, ' ');
    const std::string_view colour = has_colours ? code_of(cell.colour) : std::string_view();
    out.append(colour).append(cell.text);
    if (!colour.empty()) out.append(end_of_colour);
    // No blanks at the end of a line.
    if (!columns_[i].is_number && n + 1 < shown.size()) out.append(padding, ' ');
  }
  while (out.ends_with(' ')) out.pop_back();  // the last cells are empty
  out += '\n';
}

}  // namespace sluice::app::cli
