// One field line, `name ":" OWS value OWS CRLF`, for heads and trailer sections alike (RFC 9112 5).
#pragma once

#include <string_view>

#include "http/byte_search.h"
#include "http/characters.h"
#include "http/known_names.h"
#include "sluice/http/field.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

// Reads the line that begins at `at` and moves `at` behind its CRLF. The caller has made sure that
// some CRLF follows within [at, end) and that no LF comes without its CR: so no search runs past
// the end. Returns Reason::none, or why the line is refused.
[[nodiscard]] inline observe::Reason read_field_line(const char*& at, const char* end,
                                                     Field& field) {
  if (*at == ' ' || *at == '\t') return observe::Reason::obs_fold;

  // A line without a colon finds that of a later line; the CR between them is no token byte.
  const char* const colon = find_byte(at, end, ':');
  field.name = {at, static_cast<std::size_t>(colon - at)};
  field.known = known_names::look_up(field.name);
  if (colon == end || (field.known == FieldName::other && !is_token(field.name))) {
    return observe::Reason::bad_header_name;
  }

  const char* begin = colon + 1;
  while (*begin == ' ' || *begin == '\t') ++begin;
  const char* stop = find_control(begin, end);
  while (stop != end && *stop == '\t') stop = find_control(stop + 1, end);
  if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') {
    return observe::Reason::bad_header_value;
  }
  at = stop + 2;
  while (stop > begin && (stop[-1] == ' ' || stop[-1] == '\t')) --stop;
  field.value = {begin, static_cast<std::size_t>(stop - begin)};
  return observe::Reason::none;
}

}  // namespace sluice::http
