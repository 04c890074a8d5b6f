#include "sluice/http/h1_writer.h"

#include <cassert>

#include "http/byte_search.h"
#include "http/characters.h"

namespace sluice::http {

namespace {

[[nodiscard]] bool has_space_or_control(std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  return find_space_or_control(begin, end) != end;
}

}  // namespace

void H1Writer::request_line(std::string_view method, std::string_view path, std::string_view query,
                            bool has_query) {
  if (!is_token(method) || path.empty() || has_space_or_control(path) ||
      has_space_or_control(query)) {
    overflowed_ = true;
    return;
  }
  put(method);
  put(" ");
  put(path);
  if (has_query) {
    put("?");
    put(query);
  }
  put(" HTTP/1.1\r\n");
}

void H1Writer::status_line(std::uint16_t status, std::string_view reason_phrase) {
  if (status < 100 || status > 999 || !is_field_text(reason_phrase)) {
    overflowed_ = true;
    return;
  }
  put("HTTP/1.1 ");
  number(status);
  put(" ");  // to be written even before an empty phrase (RFC 9112 4)
  put(reason_phrase);
  put("\r\n");
}

void H1Writer::field(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_text(value)) {
    overflowed_ = true;
    return;
  }
  trusted_field(name, value);
}

void H1Writer::field(std::string_view name, std::uint64_t value) {
  begin_field(name);
  number(value);
  end_field();
}

void H1Writer::begin_field(std::string_view name) {
  if (!is_token(name)) {
    overflowed_ = true;
    return;
  }
  put(name);
  put(": ");
}

void H1Writer::text(std::string_view text) {
  if (!is_field_text(text)) {
    overflowed_ = true;
    return;
  }
  put(text);
}

std::string_view chunk_head(std::uint64_t size, base::MutableBytes out) {
  assert(size > 0);
  if (out.size() < chunk_head_bytes_max) return {};
  char* const begin = out.data();
  char* end = std::to_chars(begin, begin + out.size() - 2, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace sluice::http
