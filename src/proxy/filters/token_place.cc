#include "proxy/filters/token_place.h"

#include <algorithm>
#include <utility>

#include "proxy/amendments.h"
#include "sluice/base/text.h"
#include "sluice/http/cookie.h"

namespace sluice::proxy {
namespace {

using Found = FoundToken;
using route::TokenPlace;

// Credentials of another scheme are no token (RFC 6750 2.1).
Found in_authorization(const http::Fields& fields) {
  constexpr std::string_view scheme = "bearer";
  Found found;
  std::size_t fields_seen = 0;
  for (const http::Field& field : fields) {
    if (field.known != http::FieldName::authorization) continue;
    ++fields_seen;
    const std::size_t end = field.value.find(' ');
    if (end == std::string_view::npos) continue;
    if (!base::equals_ignoring_case(field.value.substr(0, end), scheme)) continue;
    found.add(base::trim(field.value.substr(end)));
  }
  // Which of two fields a target reads, nobody knows.
  if (found.count > 0) found.count = fields_seen;
  return found;
}

// A second one under a name that some targets take for the same is one too many.
Found in_header(const http::Fields& fields, std::string_view name) {
  Found found;
  for (const http::Field& field : fields) {
    if (!is_same_or_alias(field.name, name)) continue;
    ++found.count;
    if (base::equals_ignoring_case(field.name, name)) found.token = field.value;
  }
  return found;
}

Found in_cookies(const http::Fields& fields, std::string_view name) {
  Found found;
  http::CookieValues values(fields, name);
  while (const auto value = values.next()) found.add(*value);
  return found;
}

int hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char folded = base::lower(c);
  return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

// A target may decode names of parameters: `%74oken` is `token` to it.
bool is_parameter(std::string_view piece, std::string_view name) {
  piece = piece.substr(0, piece.find('='));
  std::string decoded;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (piece[i] == '%' && i + 2 < piece.size() && hexadecimal(piece[i + 1]) >= 0 &&
        hexadecimal(piece[i + 2]) >= 0) {
      decoded += static_cast<char>(hexadecimal(piece[i + 1]) * 16 + hexadecimal(piece[i + 2]));
      i += 2;
    } else {
      decoded += piece[i];
    }
  }
  return decoded == name;
}

// `visit(piece)` for each "name=value".
template <typename Visit>
void for_each_parameter(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    visit(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

Found in_query(std::string_view query, std::string_view name) {
  Found found;
  for_each_parameter(query, [&](std::string_view piece) {
    if (!is_parameter(piece, name)) return;
    const std::size_t equals = piece.find('=');
    found.add(equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1));
  });
  return found;
}

std::string cookies_without(const http::Fields& fields, std::string_view name) {
  std::string rest;
  for (const http::Field& field : fields) {
    if (field.known != http::FieldName::cookie) continue;
    std::string_view text = field.value;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(';'), text.size());
      const std::string_view pair = base::trim(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (pair.empty() || base::trim(pair.substr(0, pair.find('='))) == name) continue;
      if (!rest.empty()) rest += "; ";
      rest += pair;
    }
  }
  return rest;
}

}  // namespace

FoundToken find_token(const http::RequestHead& request, const route::Jwt& settings) {
  switch (settings.place) {
    case TokenPlace::authorization: return in_authorization(request.fields);
    case TokenPlace::header: return in_header(request.fields, settings.place_name);
    case TokenPlace::cookie: return in_cookies(request.fields, settings.place_name);
    case TokenPlace::query: return in_query(request.query, settings.place_name);
  }
  return {};
}

void hide_token(const http::RequestHead& request, const route::Jwt& settings,
                Amendments& amendments) {
  HeadAmendments& head = amendments.request;
  switch (settings.place) {
    case TokenPlace::authorization: head.drop("Authorization"); return;
    case TokenPlace::header: head.drop(settings.place_name); return;
    case TokenPlace::cookie: {
      const std::string rest = cookies_without(request.fields, settings.place_name);
      head.drop("Cookie");
      if (!rest.empty()) head.lines.append("Cookie: ").append(rest).append("\r\n");
      return;
    }
    case TokenPlace::query:
      amendments.query =
          query_without(amendments.query ? std::string_view(*amendments.query) : request.query,
                        settings.place_name);
      return;
  }
}

std::string query_without(std::string_view query, std::string_view name) {
  std::string rest;
  for_each_parameter(query, [&](std::string_view piece) {
    if (is_parameter(piece, name)) return;
    if (!rest.empty()) rest += '&';
    rest += piece;
  });
  return rest;
}

std::string target_without_token(std::string_view target, const route::Jwt& settings) {
  const std::size_t question = target.find('?');
  if (question == std::string_view::npos) return std::string(target);
  std::string text(target.substr(0, question + 1));
  bool is_first = true;
  for_each_parameter(target.substr(question + 1), [&](std::string_view piece) {
    if (!std::exchange(is_first, false)) text += '&';
    const bool is_token = is_parameter(piece, settings.place_name);
    text += is_token ? piece.substr(0, piece.find('=')) : piece;
    if (is_token) text += "=-";
  });
  return text;
}

}  // namespace sluice::proxy
