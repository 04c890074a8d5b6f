// What conf/README.md promises, held against what the loader does.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <ranges>
#include <regex>

#include "unit/config/support.h"

#ifdef SLUICE_SOURCE_ROOT

namespace sluice::config {
namespace {

using test::joined;
using test::load_yaml;

const std::filesystem::path conf = std::filesystem::path(SLUICE_SOURCE_ROOT) / "conf";

std::string text_of(const char* name) {
  std::ifstream file(conf / name);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Manual, the_examples_load_without_a_word) {
  for (const char* name : {"sluice.yaml", "minimal.yaml"}) {
    Problems problems;
    EXPECT_TRUE(load(conf / name, problems)) << name;
    for (const Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
  }
}

// The keys as the loader knows them: it names them all when it is given one it cannot guess.
std::vector<std::string> known_keys(const std::string& document) {
  std::vector<std::string> keys;
  const std::string marker = "known here: ";
  for (const std::string& message : load_yaml(document).messages) {
    const std::size_t start = message.find(marker);
    if (start == std::string::npos) continue;
    std::string key;
    for (const char c : message.substr(start + marker.size()) + ' ') {
      if (c != ' ' && c != ',') {
        key += c;
      } else if (!key.empty()) {
        if (key != "or") keys.push_back(key);
        key.clear();
      }
    }
  }
  return keys;
}

TEST(Manual, every_key_is_in_the_table_of_keys_and_in_the_full_example) {
  const std::string z = "zzzzzzzzzzzzzzzzzzzzzzzz: 1";
  const auto section = [&](const char* name) { return std::string(name) + ": { " + z + " }"; };
  std::string group =
      z + ", targets: [{ " + z + " }], retry: { " + z + ", " + section("budget") + " }";
  for (const char* name :
       {"tls", "pool", "limits", "passive_health", "fail_open", "stickiness", "websocket"}) {
    group += ", " + section(name);
  }
  std::string document = z + "\nlisteners: [{ " + z + ", " + section("proxy_protocol") +
                         ", tls: { " + z + ", " + section("client_certificates") + ", " +
                         section("ticket_keys") + ", certificates: [{ " + z + " }] }, rules: [{ " +
                         z + ", " + section("timeouts") + " }] }]\ntarget_groups: [{ " + group +
                         " }]\n";
  for (const char* name :
       {"timeouts", "limits", "forwarding", "admin", "access_log", "log", "shutdown"}) {
    document += section(name) + '\n';
  }
  document += "http2: { " + z + ", " + section("abuse") + " }\n";
  const std::vector<std::string> keys = known_keys(document);
  EXPECT_GT(keys.size(), 125U);

  const std::string table = text_of("README.md");
  const std::string example = text_of("sluice.yaml");
  for (const std::string& key : keys) {
    EXPECT_NE(table.find(key + "` |"), std::string::npos)
        << "no row for " << key << " in conf/README.md";
    EXPECT_NE(example.find(key + ":"), std::string::npos)
        << key << " is not shown in conf/sluice.yaml";
  }
}

// --- ranges

// A row whose range is written `LEAST to MOST`, perhaps after `0, or `.
struct Row {
  std::string path;
  std::string default_value;  // empty: none, or described in words
  bool or_zero = false;
  std::string least;
  std::string most;
};

std::vector<Row> rows_with_ranges() {
  static const std::regex pattern(R"(\| `([a-z_0-9.\[\]]+)` \| .* \| (?:`([^`]*)`|[^|]*) \| )"
                                  R"((0, or )?(\d+[A-Za-z]*) to (\d+[A-Za-z]*) \|)");
  std::vector<Row> rows;
  std::istringstream lines(text_of("README.md"));
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, pattern)) continue;
    rows.push_back({found[1], found[2], found[3].matched, found[4], found[5]});
  }
  return rows;
}

// What has to stand beside a value so that it is not refused for its neighbours.
const std::map<std::string, std::string> companions = {
    {"stickiness.duration", "type: lb_cookie"},
    {"passive_health.ejection_time", "max_ejection_time: 1d"},
    {"passive_health.max_ejection_time", "ejection_time: 100ms"},
    {"http2.initial_window", "max_window: 2147483647"},
    {"http2.max_window", "initial_window: 65535"},
    {"websocket.ping_interval", "idle_timeout: 30d"},
};

// Nothing when the row is about a place that this test does not build.
std::optional<std::string> document_with(const Row& row, const std::string& value) {
  const std::string prefix = "target_groups[].";
  const bool of_group = row.path.starts_with(prefix);
  const std::string path = of_group ? row.path.substr(prefix.size()) : row.path;
  if (path.find("[]") != std::string::npos || path.starts_with("health_check")) return std::nullopt;

  std::vector<std::string> keys;
  std::istringstream parts(path);
  for (std::string key; std::getline(parts, key, '.');) keys.push_back(key);
  std::string setting = keys.back() + ": " + value;
  if (const auto more = companions.find(path); more != companions.end())
    setting += ", " + more->second;
  keys.pop_back();
  for (const std::string& key : keys | std::views::reverse) setting = key + ": { " + setting + " }";
  if (of_group && path.starts_with("http2.")) setting += ", protocol_version: http2";
  if (of_group && path.starts_with("tls.")) setting = "protocol: https, " + setting;
  return std::string(test::smallest) +
         (of_group ? "target_groups: [{ name: g, " + setting + " }]\n" : setting + "\n");
}

// `text` and `step` more, in its smallest unit.
std::string moved(const std::string& text, std::int64_t step) {
  static const std::map<std::string, std::int64_t> units = {
      {"", 1},      {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"ms", 1},
      {"s", 1'000}, {"m", 60'000},      {"h", 3'600'000},   {"d", 86'400'000},
  };
  std::size_t digits = 0;
  const std::int64_t number = std::stoll(text, &digits);
  const std::string unit = text.substr(digits);
  const bool is_size = unit.empty() || unit.ends_with("iB");
  return std::to_string(number * units.at(unit) + step) + (is_size ? "" : "ms");
}

class RangesOfTheManual : public testing::Test {
 protected:
  static void expect_good(const Row& row, const std::string& value) {
    const auto document = document_with(row, value);
    const auto loaded = load_yaml(*document);
    EXPECT_TRUE(loaded.model) << *document << joined(loaded);
  }

  static void expect_one_error(const Row& row, const std::string& value) {
    const auto document = document_with(row, value);
    const auto loaded = load_yaml(*document);
    EXPECT_FALSE(loaded.model) << *document;
    ASSERT_EQ(loaded.messages.size(), 1U) << *document << joined(loaded);
    const std::string key = row.path.substr(row.path.rfind('.') + 1);
    EXPECT_NE(loaded.messages[0].find(key + ": must be "), std::string::npos) << joined(loaded);
  }
};

TEST_F(RangesOfTheManual, end_where_the_loader_ends_them) {
  std::size_t checked = 0;
  for (const Row& row : rows_with_ranges()) {
    if (!document_with(row, "0")) continue;
    ++checked;
    expect_good(row, row.least);
    expect_good(row, row.most);
    expect_one_error(row, moved(row.most, 1));
    if (row.least != "0") expect_one_error(row, moved(row.least, -1));
    if (row.or_zero) expect_good(row, "0");
    if (!row.or_zero && row.least != "0") expect_one_error(row, "0");
    if (!row.default_value.empty()) expect_good(row, row.default_value);
  }
  EXPECT_GE(checked, 54U);
}

TEST_F(RangesOfTheManual, refuse_what_is_of_another_type_with_one_message) {
  for (const Row& row : rows_with_ranges()) {
    if (!document_with(row, "0")) continue;
    for (const char* value : {"much", "-1", "[1]", "{ a: 1 }", "true", "1.5"}) {
      expect_one_error(row, value);
    }
  }
}

}  // namespace
}  // namespace sluice::config

#endif
