#include "sluice/route/value_template.h"

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

class Fixed final : public Variables {
 public:
  explicit Fixed(std::string value) : value_(std::move(value)) {}
  void append(Variable variable, std::string_view name, std::string& out) const override {
    out += variable == Variable::header ? std::string(name) + "=" + value_ : value_;
  }

 private:
  std::string value_;
};

struct Expanded {
  std::string text;
  bool fits = false;
};

Expanded expanded(const std::string& text, const std::string& value, std::size_t limit = 1000) {
  const auto read = read_filter("response_headers: { set: { X: \"" + text + "\" } }");
  EXPECT_EQ(read.errors, "");
  Expanded out;
  out.fits = read.value.response_headers->sets.at(0).value.append_to(out.text, Fixed(value), limit);
  return out;
}

TEST(ValueTemplate, literals_and_variables_are_put_together) {
  EXPECT_EQ(expanded("a-#{host}-b#{header:X-C}#", "v").text, "a-v-bX-C=v#");
  EXPECT_EQ(expanded("$1 { } # {host}", "v").text, "$1 { } # {host}");
}

// T27
TEST(ValueTemplate, what_a_variable_brings_is_not_read_again) {
  EXPECT_EQ(expanded("#{path}", "#{host}").text, "#{host}");
  EXPECT_EQ(expanded("#{path}{host}", "#").text, "#{host}");
}

TEST(ValueTemplate, no_value_ends_its_line) {
  EXPECT_EQ(expanded("#{sni}", std::string("a\r\nB: c\0\x7f", 9)).text, "a%0D%0AB: c%00%7F");
  EXPECT_EQ(expanded("#{sni}", "\xc3\xa4\t ").text, "\xc3\xa4\t ");
}

TEST(ValueTemplate, it_stops_at_the_limit) {
  const std::string value(100, 'a');
  EXPECT_TRUE(expanded("#{path}#{path}", value, 200).fits);
  EXPECT_FALSE(expanded("#{path}#{path}", value, 199).fits);
}

}  // namespace
}  // namespace sluice::route::testing
