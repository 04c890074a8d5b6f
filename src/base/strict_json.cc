#include "sluice/base/strict_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <cstdint>
#include <exception>
#include <set>
#include <string>
#include <vector>

namespace sluice::base {
namespace {

namespace json = boost::json;

// Looks at names only; the values are read by the library's own parser, which keeps the last of two
// members of one name and tells nobody.
class NamesOnce {
 public:
  constexpr static std::size_t max_object_size = std::size_t(-1);
  constexpr static std::size_t max_array_size = std::size_t(-1);
  constexpr static std::size_t max_key_size = std::size_t(-1);
  constexpr static std::size_t max_string_size = std::size_t(-1);
  using Error = json::error_code;
  using Text = json::string_view;

  bool on_document_begin(Error& /*error*/) { return true; }
  bool on_document_end(Error& /*error*/) { return true; }
  bool on_object_begin(Error& /*error*/) {
    objects_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t /*count*/, Error& /*error*/) {
    objects_.pop_back();
    return true;
  }
  bool on_array_begin(Error& /*error*/) { return true; }
  bool on_array_end(std::size_t /*count*/, Error& /*error*/) { return true; }
  bool on_key_part(Text part, std::size_t /*size*/, Error& /*error*/) {
    name_.append(part.data(), part.size());
    return true;
  }
  bool on_key(Text part, std::size_t /*size*/, Error& error) {
    name_.append(part.data(), part.size());
    const bool is_new = objects_.back().insert(name_).second;
    name_.clear();
    if (!is_new) error = json::error::extra_data;
    return is_new;
  }
  bool on_string_part(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
  bool on_string(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
  bool on_number_part(Text /*part*/, Error& /*error*/) { return true; }
  bool on_int64(std::int64_t /*value*/, Text /*text*/, Error& /*error*/) { return true; }
  bool on_uint64(std::uint64_t /*value*/, Text /*text*/, Error& /*error*/) { return true; }
  bool on_double(double /*value*/, Text /*text*/, Error& /*error*/) { return true; }
  bool on_bool(bool /*value*/, Error& /*error*/) { return true; }
  bool on_null(Error& /*error*/) { return true; }
  bool on_comment_part(Text /*text*/, Error& /*error*/) { return true; }
  bool on_comment(Text /*text*/, Error& /*error*/) { return true; }

 private:
  // Of those that are open. Ordered: whoever picks names to collide in a hash gains nothing.
  std::vector<std::set<std::string>> objects_;
  std::string name_;
};

}  // namespace

std::optional<json::value> parse_strict_json(std::string_view text, const JsonLimits& limits) try {
  if (text.empty() || text.size() > limits.bytes) return std::nullopt;
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<NamesOnce> names(options);
  json::error_code error;
  const std::size_t read = names.write_some(false, text.data(), text.size(), error);
  if (error || read != text.size() || !names.done()) return std::nullopt;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return std::nullopt;
  return value;
} catch (const std::exception&) {  // memory is short
  return std::nullopt;
}

}  // namespace sluice::base
