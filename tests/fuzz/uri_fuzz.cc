// Targets and authorities: the normal form of a normal form is itself, and holds nothing that a
// target could take for a way up or for another separator (T12).
#include <string>
#include <vector>

#include "property.h"
#include "sluice/http/uri.h"

namespace {

using namespace sluice::http;
using sluice::fuzz::require;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void check_normal_form(std::string_view path) {
  require(!path.empty() && path.front() == '/', "begins with a slash");
  require(!contains(path, "//"), "no empty segment");
  const std::string closed = std::string(path) + "/";
  for (const std::string_view segment : {"/./", "/../", "/.;", "/..;"}) {
    require(!contains(closed, segment), "no dot segment");
  }
  for (const std::string_view escape : {"%2f", "%2F", "%5c", "%5C", "%00", "%2e", "%2E", "%41"}) {
    require(!contains(path, escape), "no escape that hides a separator or needs none");
  }
  for (const char c : path)
    require(c > 0x20 && c < 0x7f && c != '\\' && c != '?' && c != '#', "bytes");

  std::string storage;
  std::string_view again;
  require(normalize_path(path, storage, again), "a normal form is accepted");
  require(again == path && again.data() == path.data(), "a normal form is its own");
}

void check_target(std::string_view target, Method method) {
  RequestHead head;
  head.method = method;
  head.target = target;
  sluice::observe::Reason reason;
  const bool accepted = parse_target(head, reason);
  require(accepted == (reason == sluice::observe::Reason::none), "a reason when refused only");
  if (!accepted) return;
  if (head.form == TargetForm::asterisk) {
    require(method == Method::options && head.path == "*", "asterisk for OPTIONS only");
  } else {
    check_normal_form(head.path);
  }
  if (head.form == TargetForm::absolute) {
    require(is_valid_authority(head.host), "the host of an absolute target is an authority");
  }
  for (const char c : head.query) require(c > 0x20 && c < 0x7f && c != '#', "bytes of the query");
}

void check_authority(std::string_view text) {
  if (!is_valid_authority(text)) return;
  const std::string_view host = host_without_port(text);
  require(!host.empty() && host.back() != '.', "a host without its trailing dot");
  require(is_valid_authority(host), "the host alone is an authority");
  require(host_without_port(host) == host, "and has no port left");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(data, data + size);
  const std::string_view text(copy.data(), copy.size());
  std::string storage;
  std::string_view path;
  if (normalize_path(text, storage, path)) check_normal_form(path);
  check_target(text, Method::get);
  check_target(text, Method::options);
  check_authority(text);
  return 0;
}
