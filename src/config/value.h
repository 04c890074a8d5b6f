// What a Node points at: one value of a YAML document, with everything below it.
//
// Built by yaml_document and never changed afterwards. A null keeps no position of its own: where
// the file says `key:` and nothing more, it has the position of the key.
#pragma once

#include <string>
#include <vector>

#include "sluice/config/node.h"

namespace sluice::config {

struct Node::Value {
  struct Member;

  Kind kind = Kind::null;
  bool refused = false;  // already reported; see Node::is_refused
  Position position;
  std::string text;     // of a scalar, after expansion
  std::string written;  // of a scalar, as the file has it
  std::vector<Value> items;
  std::vector<Member> members;  // in the order of the file, keys unique
};

struct Node::Value::Member {
  std::string key;
  Position key_position;
  Value value;
};

}  // namespace sluice::config
