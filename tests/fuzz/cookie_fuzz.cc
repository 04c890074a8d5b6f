// Cookie and Set-Cookie fields: every byte is looked at once, views stay inside the text, and a
// cookie written by us is found again by its name.
#include "sluice/http/cookie.h"

#include <string>
#include <vector>

#include "property.h"

namespace {

using namespace sluice::http;
using sluice::fuzz::require;

bool is_inside(std::string_view view, std::string_view text) {
  return view.empty() ||
         (view.data() >= text.data() && view.data() + view.size() <= text.data() + text.size());
}

std::vector<Cookie> all_cookies(std::string_view text) {
  std::vector<Cookie> cookies;
  std::string_view rest = text;
  while (const std::optional<Cookie> cookie = take_cookie(rest)) {
    require(!cookie->name.empty(), "a name");
    require(cookie->name.find_first_of(";=") == std::string_view::npos, "a name without marks");
    require(cookie->value.find(';') == std::string_view::npos, "a value without semicolon");
    require(is_inside(cookie->name, text) && is_inside(cookie->value, text), "views in the text");
    require(is_inside(rest, text), "the rest is in the text");
    cookies.push_back(*cookie);
  }
  require(rest.empty(), "nothing is left");
  return cookies;
}

// The reader finds by name what the splitting found, in the same order, in one field and in two.
void check_reader(std::string_view text, const std::vector<Cookie>& cookies) {
  if (cookies.empty()) return;
  const std::string_view name = cookies[cookies.size() / 2].name;
  Fields fields;
  fields.add("Cookie", text);
  fields.add("Host", text);
  fields.add("cookie", text);
  CookieValues reader(fields, name);
  for (int field = 0; field < 2; ++field) {
    for (const Cookie& cookie : cookies) {
      if (cookie.name != name) continue;
      const std::optional<std::string_view> value = reader.next();
      require(value.has_value() && value->data() == cookie.value.data() &&
                  value->size() == cookie.value.size(),
              "every value of the name, in order");
    }
  }
  require(!reader.next().has_value(), "and no other");
}

void check_set_cookie(std::string_view text, const std::vector<Cookie>& cookies) {
  const std::string_view pair = text.substr(0, text.find(';'));
  for (const Cookie& cookie : cookies) {
    const bool is_first = pair.data() <= cookie.name.data() &&
                          cookie.name.data() + cookie.name.size() <= pair.data() + pair.size();
    if (is_first) require(sets_cookie(text, cookie.name), "a Set-Cookie field sets its first pair");
  }
  require(!sets_cookie(text, ""), "a cookie without a name is none");
}

void check_round_trip(const std::vector<Cookie>& cookies) {
  for (const Cookie& cookie : cookies) {
    const std::string written =
        set_cookie(cookie.name, cookie.value, {.path = "/", .same_site = CookieSite::lax});
    require(sets_cookie(written, cookie.name), "what was written sets the cookie");
    std::string_view rest = std::string_view(written).substr(0, written.find(';'));
    const std::optional<Cookie> again = take_cookie(rest);
    require(again.has_value() && again->name == cookie.name, "the name is found again");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(data, data + size);
  const std::string_view text(copy.data(), copy.size());
  const std::vector<Cookie> cookies = all_cookies(text);
  check_reader(text, cookies);
  check_set_cookie(text, cookies);
  check_round_trip(cookies);
  return 0;
}
