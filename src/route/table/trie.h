// Texts and a number for each, to find all that another text begins, or ends, with: a tree in which
// each branch has at least two children or a number. Filled once and asked by all workers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "route/glob.h"
#include "route/table/text_table.h"
#include "sluice/base/text.h"

namespace sluice::route {

enum class Direction : bool { forward, backward };

class Trie {
 public:
  Trie() = default;
  // No text twice; in lower case with Case::ignored. Backward: for ends.
  Trie(std::vector<std::pair<std::string, std::uint32_t>> entries, Direction direction,
       Case letters);

  [[nodiscard]] bool is_empty() const { return nodes_.empty(); }

  // Calls `visit(number, size)` for each text of this trie that `text` begins (ends) with, `size`
  // being how much of it that is; shortest first. Time linear in the longest text of the trie. No
  // allocation.
  template <typename Visit>
  void walk(std::string_view text, Visit visit) const {
    if (nodes_.empty()) return;
    const Node* node = &nodes_.front();
    std::size_t at = 0;
    while (true) {
      if (text.size() - at < node->label_size) return;
      const char* const label = node->label_size <= node->short_label.size()
                                    ? node->short_label.data()
                                    : labels_.data() + node->label;
      for (std::uint32_t i = 0; i < node->label_size; ++i) {
        if (byte_of(text, at + i) != label[i]) return;
      }
      at += node->label_size;
      if (node->number != nowhere) visit(node->number, at);
      if (at == text.size() || node->children == 0) return;
      const void* const child =
          std::memchr(first_bytes_.data() + node->first_child, byte_of(text, at), node->children);
      if (child == nullptr) return;
      node =
          &nodes_[static_cast<std::size_t>(static_cast<const char*>(child) - first_bytes_.data())];
    }
  }

 private:
  struct Node {
    std::array<char, 12> short_label{};  // in the place of one in `labels_`
    std::uint32_t label = 0;             // in `labels_`
    std::uint32_t label_size = 0;
    std::uint32_t first_child = 0;
    std::uint32_t children = 0;
    std::uint32_t number = nowhere;
  };
  using Entry = std::pair<std::string, std::uint32_t>;

  void fill(std::uint32_t node, const Entry* begin, const Entry* end, std::size_t from);
  [[nodiscard]] char byte_of(std::string_view text, std::size_t at) const {
    const char c = direction_ == Direction::forward ? text[at] : text[text.size() - 1 - at];
    return letters_ == Case::ignored ? base::lower(c) : c;
  }

  std::vector<Node> nodes_;
  std::string first_bytes_;  // of each node's label
  std::string labels_;
  Direction direction_ = Direction::forward;
  Case letters_ = Case::counts;
};

}  // namespace sluice::route
