#include <fstream>

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

// A file that lives as long as this.
class File {
 public:
  explicit File(const std::string& name, const std::string& text)
      : path_(std::filesystem::path(::testing::TempDir()) / name) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(ErrorPages, a_status_wins_over_its_class_wherever_it_stands) {
  const auto read = read_filter(
      "error_pages: { pages: [ { on: 5xx, body: class }, { on: [404, 503], body: status, "
      "status: 200, content_type: text/html } ] }");
  ASSERT_EQ(read.errors, "");
  const ErrorPages& pages = *read.value.error_pages;
  EXPECT_FALSE(pages.intercept);
  EXPECT_EQ(pages.find(500)->body, "class");
  EXPECT_EQ(pages.find(503)->body, "status");
  EXPECT_EQ(pages.find(503)->status, 200);
  EXPECT_EQ(pages.find(404)->content_type, "text/html");
  EXPECT_EQ(pages.find(403), nullptr);
}

TEST(ErrorPages, a_file_is_read_whole_and_its_name_tells_the_type) {
  const File file("sluice-error-pages.html", "<p>sorry</p>");
  const auto read =
      read_filter("error_pages: { pages: [ { on: [5xx], file: \"" + file.path() + "\" } ] }");
  ASSERT_EQ(read.errors, "");
  EXPECT_EQ(read.value.error_pages->find(502)->body, "<p>sorry</p>");
  EXPECT_EQ(read.value.error_pages->find(502)->content_type, "text/html; charset=utf-8");
}

TEST(ErrorPages, a_page_is_bounded) {
  const File largest("sluice-largest.html", std::string(ErrorPages::body_bytes_max, 'a'));
  const File larger("sluice-larger.html", std::string(ErrorPages::body_bytes_max + 1, 'a'));
  const auto errors = [](const File& file) {
    return read_filter("error_pages: { pages: [ { on: [5xx], file: \"" + file.path() + "\" } ] }")
        .errors;
  };
  EXPECT_EQ(errors(largest), "");
  EXPECT_NE(errors(larger).find("larger than 256 KiB"), std::string::npos);
}

TEST(ErrorPages, a_wrong_value_is_named_with_its_place) {
  for (const char* filter :
       {"{}", "[]", "{ pages: [] }", "{ pages: [ { on: [399], body: a } ] }",
        "{ pages: [ { on: 3xx, body: a } ] }", "{ pages: [ { body: a } ] }",
        "{ pages: [ { on: 404 } ] }", "{ pages: [ { on: 404, body: a, file: b } ] }",
        "{ pages: [ { on: 404, body: \"\" } ] }", "{ pages: [ { on: 404, file: /no/such } ] }",
        "{ pages: [ { on: 404, body: a, status: 204 } ] }",
        "{ pages: [ { on: 404, body: a, status: 302 } ] }",
        "{ pages: [ { on: 404, body: a, content_type: html } ] }",
        "{ pages: [ { on: 404, body: a } ], intercept: maybe }", "{ pages: [ a ] }",
        "{ pages: [ { on: 404, body: a, url: b } ] }"}) {
    const auto read = read_filter(std::string("error_pages: ") + filter);
    EXPECT_NE(read.errors.find("filters.error_pages"), std::string::npos)
        << filter << " gives " << read.errors;
    EXPECT_EQ(read.value.error_pages, nullptr);
  }
}

}  // namespace
}  // namespace sluice::route::testing
