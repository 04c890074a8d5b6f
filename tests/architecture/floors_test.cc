// The layout is the architecture: these tests read every include line and every awaiting
// expression of src/ and include/ and hold them against the rules of docs/architecture.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// --- the rules ----------------------------------------------------------------------------------

// A floor may include lower floors and itself, never a sibling on its own level.
const std::map<std::string, int, std::less<>> level_of_floor = {
    {"base", 0},  {"config", 1},  {"observe", 2},  {"net", 3},   {"http", 3},    {"target", 4},
    {"route", 5}, {"balance", 5}, {"upstream", 6}, {"proxy", 7}, {"control", 8}, {"app", 9},
};
const std::string roof = "main.cc";  // above all floors; may use their public headers
constexpr int roof_level = 10;

// Each library enters the program at one door, so that replacing it is a change in one folder.
struct Door {
  std::string include_prefix;
  std::vector<std::string> floors;
};
const std::vector<Door> doors = {
    {"yaml-cpp/", {"config"}}, {"spdlog/", {"observe"}}, {"prometheus/", {"observe"}},
    {"openssl/", {"net"}},     {"crypt.h", {"net"}},     {"argon2.h", {"net"}},
    {"nghttp2/", {"http"}},    {"zlib.h", {"http"}},     {"brotli/", {"http"}},
    {"zstd.h", {"http"}},      {"re2/", {"route"}},      {"CLI/", {"app"}},
    {"ares.h", {"net"}},       {"pugixml", {"control"}},
};

// Codecs, rules and state are plain functions and values: no I/O, so no Asio.
const std::vector<std::string> floors_without_asio = {"base",   "config", "http",
                                                      "target", "route",  "balance"};

// --- reading the tree ---------------------------------------------------------------------------

struct SourceFile {
  std::string path;   // relative to the root of the tree
  std::string floor;  // folder it belongs to; `roof` for src/main.cc
  std::string text;
};

fs::path source_root() { return SLUICE_SOURCE_ROOT; }

std::string contents_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void collect(const fs::path& folder, std::vector<SourceFile>& files) {
  const fs::path root = source_root() / folder;
  if (!fs::exists(root)) return;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (!entry.is_regular_file() || (extension != ".cc" && extension != ".h")) continue;
    files.push_back({.path = fs::relative(entry.path(), source_root()).generic_string(),
                     .floor = fs::relative(entry.path(), root).begin()->string(),
                     .text = contents_of(entry.path())});
  }
}

const std::vector<SourceFile>& all_files() {
  static const std::vector<SourceFile> files = [] {
    std::vector<SourceFile> found;
    collect("src", found);
    collect(fs::path("include") / "sluice", found);
    std::ranges::sort(found, {}, &SourceFile::path);
    return found;
  }();
  return files;
}

struct Include {
  std::string name;
  std::size_t line = 0;
};

std::vector<Include> includes_of(const std::string& text) {
  std::vector<Include> includes;
  std::istringstream stream(text);
  std::string line;
  for (std::size_t number = 1; std::getline(stream, line); ++number) {
    const std::size_t hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#') continue;
    const std::size_t word = line.find_first_not_of(" \t", hash + 1);
    if (word == std::string::npos || !line.substr(word).starts_with("include")) continue;
    const std::size_t open = line.find_first_of("<\"", word);
    const std::size_t close = line.find_first_of(">\"", open + 1);
    if (open == std::string::npos || close == std::string::npos) continue;
    includes.push_back({line.substr(open + 1, close - open - 1), number});
  }
  return includes;
}

std::string first_segment(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

std::optional<int> level_of(const std::string& floor) {
  if (floor == roof) return roof_level;
  const auto found = level_of_floor.find(floor);
  return found == level_of_floor.end() ? std::nullopt : std::optional(found->second);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// --- the checks, each "" or what is wrong -------------------------------------------------------

std::string fault_in_direction(const std::string& floor, const std::string& include) {
  constexpr std::string_view public_prefix = "sluice/";
  const bool is_public = include.starts_with(public_prefix);
  const std::string included =
      first_segment(std::string_view(include).substr(is_public ? public_prefix.size() : 0));
  const std::optional<int> included_level = level_of(included);
  if (!included_level) {
    return is_public ? "there is no floor \"" + included + "\"" : "";  // otherwise a library
  }
  if (included == floor) return "";
  if (!is_public) return "a private header of " + included + " is used outside its folder";
  if (*included_level < level_of(floor).value_or(-1)) return "";
  return floor + " may not include " + included + ", which is not below it";
}

std::string fault_at_the_door(const std::string& floor, const std::string& include) {
  for (const Door& door : doors) {
    if (include.starts_with(door.include_prefix) && !contains(door.floors, floor)) {
      return door.include_prefix + " enters the program only in " + door.floors.front();
    }
  }
  if (include.starts_with("boost/asio") && contains(floors_without_asio, floor)) {
    return floor + " does no I/O and may not include Asio";
  }
  return "";
}

template <typename Check>
std::string faults_in_tree(Check check) {
  std::string faults;
  for (const SourceFile& file : all_files()) {
    for (const Include& include : includes_of(file.text)) {
      const std::string fault = check(file.floor, include.name);
      if (fault.empty()) continue;
      faults += file.path + ":" + std::to_string(include.line) + ": " + fault + "\n";
    }
  }
  return faults;
}

// --- co_await lint ------------------------------------------------------------------------------

// The text with comments and literals blanked out, lines and columns kept.
// ' between digits (1'000) is not a literal; raw strings are recognised by their R prefix.
std::string without_comments_and_literals(std::string text) {
  const auto blank = [&text](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, text.size()); ++i) {
      if (text[i] != '\n') text[i] = ' ';
    }
  };
  const auto end_of = [&text](std::string_view mark, std::size_t from) {
    const std::size_t found = text.find(mark, from);
    return found == std::string::npos ? text.size() : found + mark.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    std::size_t end = i;
    if (rest.starts_with("//")) {
      end = end_of("\n", i);
    } else if (rest.starts_with("/*")) {
      end = end_of("*/", i + 2);
    } else if (rest.starts_with("R\"")) {
      const std::string delimiter = text.substr(i + 2, text.find('(', i) - i - 2);
      end = end_of(")" + delimiter + "\"", i);
    } else if (text[i] == '"' ||
               (text[i] == '\'' &&
                (i == 0 || std::isalnum(static_cast<unsigned char>(text[i - 1])) == 0))) {
      end = i + 1;
      while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
      ++end;
    }
    if (end == i) continue;
    blank(i, end);
    i = end - 1;
  }
  return text;
}

// End of the full expression that starts at `from`: its ';', or the bracket that encloses it.
std::size_t end_of_expression(std::string_view text, std::size_t from) {
  int depth = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (std::string_view("([{").find(text[i]) != std::string_view::npos) ++depth;
    if (std::string_view(")]}").find(text[i]) != std::string_view::npos && --depth < 0) return i;
    if (text[i] == ';' && depth == 0) return i;
  }
  return text.size();
}

// Does the '[' at `position` open the captures of a lambda (and not a subscript or an attribute)?
bool opens_lambda(std::string_view text, std::size_t position) {
  if (position + 1 < text.size() && text[position + 1] == '[') return false;
  const std::size_t before = text.find_last_not_of(" \t\n", position - 1);
  if (before == std::string_view::npos) return false;
  if (text.substr(0, before + 1).ends_with("co_await")) return true;
  const char previous = text[before];
  return previous == '(' || previous == ',' || previous == '{' || previous == '=' ||
         previous == '?' || previous == ':';
}

// Anything but [], [&], [this] and named references: [x], [=], [x = f()], [&, x].
bool captures_by_value(std::string_view captures) {
  std::size_t start = 0;
  while (start < captures.size()) {
    std::size_t end = start;
    for (int depth = 0; end < captures.size() && (depth > 0 || captures[end] != ','); ++end) {
      if (std::string_view("([{").find(captures[end]) != std::string_view::npos) ++depth;
      if (std::string_view(")]}").find(captures[end]) != std::string_view::npos) --depth;
    }
    const std::string_view item = captures.substr(start, end - start);
    const std::size_t first = item.find_first_not_of(" \t\n");
    if (first != std::string_view::npos && item[first] != '&') {
      const std::size_t last = item.find_last_not_of(" \t\n");
      if (item.substr(first, last - first + 1) != "this") return true;
    }
    start = end + 1;
  }
  return false;
}

// Lines on which a lambda that captures by value is a temporary of an awaiting expression.
std::vector<std::size_t> awaited_capturing_lambdas(const std::string& source) {
  const std::string text = without_comments_and_literals(source);
  std::vector<std::size_t> lines;
  for (std::size_t await = text.find("co_await"); await != std::string::npos;
       await = text.find("co_await", await + 1)) {
    const std::size_t end = end_of_expression(text, await);
    for (std::size_t open = text.find('[', await); open < end; open = text.find('[', open + 1)) {
      const std::size_t close = end_of_expression(text, open + 1);
      if (!opens_lambda(text, open)) continue;
      if (!captures_by_value(std::string_view(text).substr(open + 1, close - open - 1))) continue;
      const auto start = text.begin();
      lines.push_back(1 + static_cast<std::size_t>(
                              std::count(start, start + static_cast<std::ptrdiff_t>(open), '\n')));
    }
  }
  return lines;
}

}  // namespace

TEST(Architecture, the_tree_is_found_and_every_folder_is_a_floor) {
  ASSERT_FALSE(all_files().empty()) << "nothing under " << source_root();
  for (const SourceFile& file : all_files()) {
    EXPECT_TRUE(level_of(file.floor)) << file.path << ": " << file.floor << " is not a floor";
  }
}

TEST(Architecture, a_floor_includes_only_lower_floors) {
  EXPECT_EQ(faults_in_tree(fault_in_direction), "");
}

TEST(Architecture, each_library_enters_at_one_door) {
  EXPECT_EQ(faults_in_tree(fault_at_the_door), "");
}

TEST(Architecture, no_capturing_lambda_is_a_temporary_of_an_awaiting_expression) {
  for (const SourceFile& file : all_files()) {
    for (const std::size_t line : awaited_capturing_lambdas(file.text)) {
      ADD_FAILURE() << file.path << ":" << line
                    << ": name the lambda on the line before, then await with std::move(it)";
    }
  }
}

// The checks themselves, on text that breaks each rule.

TEST(ArchitectureChecks, upward_and_sideways_includes_are_faults) {
  EXPECT_EQ(fault_in_direction("proxy", "sluice/upstream/group.h"), "");
  EXPECT_EQ(fault_in_direction("proxy", "sluice/proxy/snapshot.h"), "");
  EXPECT_EQ(fault_in_direction("proxy", "proxy/exchange.h"), "");
  EXPECT_EQ(fault_in_direction("base", "string_view"), "");
  EXPECT_EQ(fault_in_direction("main.cc", "sluice/app/options.h"), "");
  EXPECT_NE(fault_in_direction("base", "sluice/net/stream.h"), "");
  EXPECT_NE(fault_in_direction("net", "sluice/http/message.h"), "");
  EXPECT_NE(fault_in_direction("proxy", "upstream/pool.h"), "");
  EXPECT_NE(fault_in_direction("proxy", "sluice/cellar/wine.h"), "");
}

TEST(ArchitectureChecks, a_library_away_from_its_door_is_a_fault) {
  EXPECT_EQ(fault_at_the_door("net", "openssl/ssl.h"), "");
  EXPECT_EQ(fault_at_the_door("net", "boost/asio/io_context.hpp"), "");
  EXPECT_EQ(fault_at_the_door("http", "boost/url/url_view.hpp"), "");
  EXPECT_NE(fault_at_the_door("proxy", "openssl/ssl.h"), "");
  EXPECT_NE(fault_at_the_door("route", "yaml-cpp/yaml.h"), "");
  EXPECT_NE(fault_at_the_door("http", "boost/asio.hpp"), "");
}

TEST(ArchitectureChecks, includes_are_found_with_their_lines) {
  const std::vector<Include> includes = includes_of(
      "#pragma once\n#include <vector>\n  #  include \"sluice/base/text.h\"\n"
      "// #include <commented>\n");
  ASSERT_EQ(includes.size(), 2U);
  EXPECT_EQ(includes[0].name, "vector");
  EXPECT_EQ(includes[0].line, 2U);
  EXPECT_EQ(includes[1].name, "sluice/base/text.h");
  EXPECT_EQ(includes[1].line, 3U);
}

TEST(ArchitectureChecks, capturing_lambdas_in_awaiting_expressions_are_found) {
  EXPECT_EQ(awaited_capturing_lambdas("\nco_await f([x] { return x; });"),
            std::vector<std::size_t>{2});
  EXPECT_EQ(awaited_capturing_lambdas("co_await f(a, [&, x = g(b, c)]() { return x; });").size(),
            1U);
  EXPECT_EQ(awaited_capturing_lambdas("if (co_await f([=] { return x; })) {}").size(), 1U);
  EXPECT_EQ(awaited_capturing_lambdas("co_await [x]() -> Task { co_return; }();").size(), 1U);
  EXPECT_EQ(awaited_capturing_lambdas("co_await f(n == 1'000 ? [s = '['] {} : h);").size(), 1U);
}

TEST(ArchitectureChecks, harmless_brackets_in_awaiting_expressions_are_not) {
  EXPECT_TRUE(awaited_capturing_lambdas("co_await f([] {}); g([x] {});").empty());
  EXPECT_TRUE(awaited_capturing_lambdas("co_await f([&] {}, [&x] {}, [this] {});").empty());
  EXPECT_TRUE(awaited_capturing_lambdas("co_await f(a[i], b[c[j]]);").empty());
  EXPECT_TRUE(awaited_capturing_lambdas("auto l = [x] {}; co_await f(std::move(l));").empty());
  EXPECT_TRUE(awaited_capturing_lambdas("co_await f(\"([x]\"); // co_await f([x]{});").empty());
}
