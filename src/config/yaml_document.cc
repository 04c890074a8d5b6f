#include "config/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "config/environment.h"
#include "config/printable.h"
#include "config/value.h"

namespace sluice::config {
namespace {

using Value = Node::Value;

// Thrown through yaml-cpp to stop it; the reason has been reported.
struct Stop {};

// Builds the tree from yaml-cpp's events instead of taking its YAML::Node: that one follows
// aliases, keeps duplicate keys silently, and recurses before anybody can look at the depth.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, Problems& problems) : file_(file), problems_(problems) {}

  [[nodiscard]] std::shared_ptr<const Value> take() {
    return std::make_shared<const Value>(std::move(root_));
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    problems_.error(position(mark), "", "a second YAML document; a configuration is one document");
    throw Stop{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(begin(Node::Kind::null, mark, anchor, ""));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Value value = begin(Node::Kind::scalar, mark, 0, "");
    value.refused = true;
    problems_.error(value.position, path(), "aliases are not supported; " + quoting_hint);
    add(std::move(value));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value value = begin(Node::Kind::scalar, mark, anchor, tag);
    value.written = text;
    if (!expects_key()) expand(value);
    add(std::move(value));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(begin(Node::Kind::sequence, mark, anchor, tag));
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(begin(Node::Kind::mapping, mark, anchor, tag));
  }
  void OnMapEnd() override { close(); }

  // Line and column of yaml-cpp count from 0; -1 is "nowhere".
  [[nodiscard]] Position position(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_, 0, 0};
    return {file_, static_cast<std::uint32_t>(mark.line) + 1,
            static_cast<std::uint32_t>(mark.column) + 1};
  }

  static inline const std::string quoting_hint = "put a value that starts with * or & in quotes";

 private:
  struct Key {
    std::string name;
    Position position;
    bool usable = true;  // false: reported; its value is read and dropped
  };

  // A sequence or mapping whose end has not been seen.
  struct Open {
    Value value;
    std::optional<Key> key;                // of a mapping: read, and its value not yet
    std::map<std::string, Position> seen;  // of a mapping: its keys
  };

  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().value.kind == Node::Kind::mapping && !open_.back().key;
  }

  [[nodiscard]] std::string path() const {
    std::string out;
    for (const Open& level : open_) {
      if (level.value.kind == Node::Kind::sequence) {
        out += '[' + std::to_string(level.value.items.size()) + ']';
      } else if (level.key && !level.key->name.empty()) {
        out += (out.empty() ? "" : ".") + level.key->name;
      }
    }
    return out;
  }

  // Messages must not show a secret, not even one that was taken for a tag or a reference.
  [[nodiscard]] bool is_secret() const { return path().starts_with("cookie_keys"); }

  // `${NAME}` and nothing else: a name that may be shown.
  [[nodiscard]] static bool is_reference(std::string_view text) {
    constexpr std::string_view name_characters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    if (!text.starts_with("${") || !text.ends_with('}')) return false;
    return text.substr(2, text.size() - 3).find_first_not_of(name_characters) ==
           std::string_view::npos;
  }

  Value begin(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor,
              const std::string& tag) {
    Value value;
    value.kind = kind;
    value.position = position(mark);
    if (anchor != 0) {
      problems_.error(value.position, path(), "anchors are not supported; " + quoting_hint);
    }
    // yaml-cpp's own marks: "?" for what has no tag, "!" for a scalar in quotes.
    if (!tag.empty() && tag != "?" && tag != "!") {
      problems_.error(value.position, path(),
                      "YAML tags are not supported" + (is_secret() ? "" : ": " + quote(tag)));
    }
    return value;
  }

  void expand(Value& value) {
    Expansion expansion = expand_variables(value.written);
    // Below us texts become C strings (file names, OpenSSL lists), which a NUL would cut short.
    if (value.written.find('\0') != std::string::npos)
      expansion.error = "text with a NUL character";
    value.refused = !expansion.error.empty();
    if (value.refused && is_secret() && !is_reference(value.written))
      expansion.error = "${ that begins no reference to a variable; $${ stands for a literal ${";
    if (value.refused) problems_.error(value.position, path(), expansion.error);
    value.text = std::move(expansion.text);
  }

  void open(Value value) {
    if (open_.size() == deepest_nesting) {
      problems_.error(value.position, path(),
                      "nested deeper than " + std::to_string(deepest_nesting) + " levels");
      throw Stop{};
    }
    open_.push_back({std::move(value), std::nullopt, {}});
  }

  void close() {
    Value value = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(value));
  }

  // Gives a complete value to what is open around it.
  void add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().value.kind == Node::Kind::sequence) {
      open_.back().value.items.push_back(std::move(value));
    } else if (expects_key()) {
      add_key(std::move(value));
    } else {
      add_member(std::move(value));
    }
  }

  void add_key(Value value) {
    Open& mapping = open_.back();
    const bool is_text = value.kind == Node::Kind::scalar && !value.refused;
    const Key& key =
        mapping.key.emplace(Key{std::move(value.written), std::move(value.position), is_text});
    if (!is_text) {
      if (!value.refused) problems_.error(key.position, path(), "a key must be plain text");
      return;
    }
    const auto [first, added] = mapping.seen.try_emplace(key.name, key.position);
    if (added) return;
    mapping.key->usable = false;
    problems_.error(key.position, path(),
                    "duplicate key; first at line " + std::to_string(first->second.line));
  }

  void add_member(Value value) {
    Open& mapping = open_.back();
    Key key = *std::exchange(mapping.key, std::nullopt);
    if (!key.usable) return;
    // yaml-cpp places a missing value where the next token is.
    if (value.kind == Node::Kind::null) value.position = key.position;
    mapping.value.members.push_back(
        {std::move(key.name), std::move(key.position), std::move(value)});
  }

  const std::string& file_;
  Problems& problems_;
  std::vector<Open> open_;  // outermost first
  Value root_;
  int documents_ = 0;
};

// What the writer most likely did, by what yaml-cpp says; empty when it cannot be guessed.
std::string hint(std::string_view message) {
  namespace Said = YAML::ErrorMsg;
  for (const std::string_view about_alias :
       {Said::UNKNOWN_ANCHOR, Said::ALIAS_NOT_FOUND, Said::ANCHOR_NOT_FOUND, Said::CHAR_IN_ALIAS,
        Said::CHAR_IN_ANCHOR}) {
    if (message == about_alias) return "; " + TreeBuilder::quoting_hint;
  }
  if (message == Said::END_OF_MAP_FLOW || message == Said::END_OF_SEQ_FLOW) {
    return "; inside { } and [ ] put ${NAME} in quotes";
  }
  return "";
}

}  // namespace

std::shared_ptr<const Node::Value> parse_yaml(std::string_view text, const std::string& file,
                                              Problems& problems) {
  TreeBuilder builder(file, problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      problems.error({file, 1, 1}, "", "the file is empty");
      return nullptr;
    }
    // Looks at what follows: the builder stops at a second document.
    static_cast<void>(parser.HandleNextDocument(builder));
    return builder.take();
  } catch (const YAML::Exception& exception) {
    problems.error(builder.position(exception.mark), "",
                   "not valid YAML: " + exception.msg + hint(exception.msg));
  } catch (const Stop&) {
    return nullptr;
  }
  return nullptr;
}

}  // namespace sluice::config
