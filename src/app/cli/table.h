// Aligned columns of text, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/cli/terminal.h"

namespace sluice::app::cli {

enum class Colour : std::uint8_t { none, good, warning, bad, faint };

struct Column {
  std::string title;
  bool is_number = false;  // aligned to the right
  // When the terminal is too narrow, columns go, those with the highest number first; 0: never.
  int goes_first = 0;
};

struct Cell {
  std::string text;  // printable ASCII
  Colour colour = Colour::none;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns.
  void add(std::vector<Cell> row);
  // Lines, each with its end; columns that are empty in every row are left out. Titles are, too,
  // when none has any letter.
  [[nodiscard]] std::string text(const Terminal& terminal) const;

 private:
  [[nodiscard]] std::vector<std::size_t> shown_columns(const Terminal& terminal) const;
  void append_line(std::string& out, const std::vector<std::size_t>& shown,
                   const std::vector<Cell>& row, bool has_colours) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<bool> has_text_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace sluice::app::cli
