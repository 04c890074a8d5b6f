#include "sluice/observe/metrics.h"

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "observe/families.h"

namespace sluice::observe {
namespace {

using std::chrono::nanoseconds;

// --- cells and sums

TEST(Metrics, the_same_labels_give_the_same_cell) {
  Registry registry;
  Cells& cells = registry.add_cells();
  Counter& first = cells.counter(Metric::request_bytes_total, {"web"});
  EXPECT_EQ(&cells.counter(Metric::request_bytes_total, {"web"}), &first);
  EXPECT_NE(&cells.counter(Metric::request_bytes_total, {"other"}), &first);
  EXPECT_NE(&cells.counter(Metric::response_bytes_total, {"web"}), &first);
}

TEST(Metrics, cells_stay_where_they_are_while_others_are_added) {
  Registry registry;
  Cells& cells = registry.add_cells();
  Counter& first = cells.counter(Metric::request_bytes_total, {"first"});
  first.add(7);
  for (int i = 0; i < 1000; ++i) {
    cells.counter(Metric::request_bytes_total, {std::to_string(i)}).add();
  }
  EXPECT_EQ(&cells.counter(Metric::request_bytes_total, {"first"}), &first);
  EXPECT_EQ(registry.sum(Metric::request_bytes_total, {"first"}), 7);
  EXPECT_EQ(registry.sum(Metric::request_bytes_total), 1007);
}

TEST(Metrics, a_sum_is_over_all_threads_and_all_labels_that_begin_alike) {
  Registry registry;
  Cells& one = registry.add_cells();
  Cells& two = registry.add_cells();
  one.counter(Metric::requests_total, {"web", "api", "api", "2xx"}).add(3);
  two.counter(Metric::requests_total, {"web", "api", "api", "5xx"}).add(4);
  two.counter(Metric::requests_total, {"tls", "api", "api", "2xx"}).add(5);
  EXPECT_EQ(registry.sum(Metric::requests_total), 12);
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web"}), 7);
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "api", "api", "5xx"}), 4);
  EXPECT_EQ(registry.sum(Metric::requests_total, {"none"}), 0);
}

TEST(Metrics, a_gauge_may_be_below_zero_in_one_thread_and_right_in_the_sum) {
  Registry registry;
  registry.add_cells().gauge(Metric::client_connections, {"web"}).add(3);
  registry.add_cells().gauge(Metric::client_connections, {"web"}).add(-1);
  EXPECT_EQ(registry.sum(Metric::client_connections), 2);
}

TEST(Metrics, threads_may_add_while_another_one_renders) {
  Registry registry;
  constexpr int additions = 20'000;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&cells = registry.add_cells()] {
      Histogram& histogram = cells.histogram(Metric::added_latency_seconds, {"web"});
      Counter& counter = cells.counter(Metric::request_bytes_total, {"web"});
      for (int count = 0; count < additions; ++count) {
        counter.add();
        histogram.record(nanoseconds(count * 1000));
        if (count % 1000 != 0) continue;
        cells.counter(Metric::exchange_ends_total, {std::to_string(count)}).add();
      }
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_NE(registry.render().size(), 1U);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.sum(Metric::request_bytes_total), 3.0 * additions);
  EXPECT_EQ(registry.sum(Metric::added_latency_seconds), 3.0 * additions);
}

TEST(Metrics, too_many_label_sets_share_one_series_named_other_T25) {
  Registry registry;
  Cells& cells = registry.add_cells();
  for (std::size_t i = 0; i < series_most + 10; ++i) {
    cells.counter(Metric::target_connection_errors_total, {std::to_string(i), "reason"}).add();
  }
  EXPECT_EQ(registry.sum(Metric::target_connection_errors_total, {"other", "other"}), 10);
  EXPECT_EQ(registry.sum(Metric::target_connection_errors_total, {"0", "reason"}), 1);
  cells.counter(Metric::target_connection_errors_total, {"0", "reason"}).add();
  EXPECT_EQ(registry.sum(Metric::target_connection_errors_total, {"0", "reason"}), 2);
}

TEST(Metrics, a_held_series_goes_when_many_others_have_left_after_it) {
  Registry registry;
  Cells& cells = registry.add_cells();
  const auto hold = [&cells](std::string_view rule) {
    return cells.hold_counter(Metric::requests_total, {"web", rule, "api", "2xx"});
  };
  HeldCounter first = hold("first");
  HeldCounter second = hold("second");
  first->add(3);
  second->add(4);
  hold("first")->add(2);
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "first"}), 5);
  HeldCounter moved = std::move(first);
  moved->add();
  moved = std::move(second);  // "first" leaves
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "first"}), 6);
  hold("first")->add();  // comes back, and leaves again as the last
  for (std::size_t i = 0; i + 1 < left_series_most; ++i) hold(std::to_string(i))->add();
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "first"}), 7);
  hold("one more")->add();
  EXPECT_EQ(registry.render().find("rule=\"first\""), std::string::npos);
  const HeldCounter again = hold("first");
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "first"}), 0);
  EXPECT_EQ(registry.sum(Metric::requests_total, {"web", "second"}), 4);
}

TEST(Metrics, a_series_that_was_asked_for_without_holding_it_stays) {
  Registry registry;
  Cells& cells = registry.add_cells();
  cells.counter(Metric::target_retries_total, {"api", "reason"}).add();
  {
    cells.hold_counter(Metric::target_retries_total, {"api", "reason"})->add();
  }
  EXPECT_EQ(registry.sum(Metric::target_retries_total), 2);
}

// 10,000 names are the most there may be at a time, not in the life of the process.
TEST(Metrics, names_that_come_and_go_leave_room_for_others_T25) {
  Registry registry;
  Cells& cells = registry.add_cells();
  for (std::size_t i = 0; i < series_most + 10; ++i) {
    cells.hold_counter(Metric::target_retries_total, {std::to_string(i), "reason"})->add();
  }
  const HeldCounter last = cells.hold_counter(Metric::target_retries_total, {"last", "reason"});
  last->add();
  EXPECT_EQ(registry.sum(Metric::target_retries_total, {"last", "reason"}), 1);
  EXPECT_EQ(registry.sum(Metric::target_retries_total), left_series_most + 1);
}

// --- histograms

std::size_t expected_bucket(nanoseconds value) {
  std::size_t index = 0;
  while (index < Histogram::upper_bounds_seconds.size() &&
         static_cast<double>(value.count()) > Histogram::upper_bounds_seconds[index] * 1e9 + 0.25) {
    ++index;
  }
  return index;
}

void expect_recorded_in_its_bucket(nanoseconds value) {
  Histogram histogram;
  histogram.record(value);
  for (std::size_t i = 0; i < Histogram::bucket_count; ++i) {
    EXPECT_EQ(histogram.bucket(i), i == expected_bucket(value) ? 1U : 0U)
        << value.count() << " ns, " << i;
  }
}

TEST(Histogram, every_bound_belongs_to_the_bucket_below_it) {
  for (const double bound : Histogram::upper_bounds_seconds) {
    const auto exact = nanoseconds(static_cast<std::int64_t>(bound * 1e9 + 0.25));
    expect_recorded_in_its_bucket(exact - nanoseconds(1));
    expect_recorded_in_its_bucket(exact);
    expect_recorded_in_its_bucket(exact + nanoseconds(1));
  }
}

TEST(Histogram, any_duration_falls_into_the_bucket_that_a_scan_would_find) {
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): the same numbers every time
  for (int i = 0; i < 20'000; ++i) {
    expect_recorded_in_its_bucket(
        nanoseconds(static_cast<std::int64_t>(random() >> (1 + random() % 60))));
  }
  expect_recorded_in_its_bucket(nanoseconds::zero());
  expect_recorded_in_its_bucket(nanoseconds::max());
}

TEST(Histogram, a_negative_duration_counts_as_none) {
  Histogram histogram;
  histogram.record(nanoseconds(-5));
  EXPECT_EQ(histogram.bucket(0), 1U);
  EXPECT_EQ(histogram.sum_nanoseconds(), 0U);
}

// --- the text for Prometheus

struct Sample {
  std::string name;
  std::string labels;  // with braces, as in the text
  double value = 0;
};

struct Parsed {
  std::map<std::string, std::string> types;
  std::map<std::string, int> helps;
  std::vector<Sample> samples;
};

// Strict enough: every line is a HELP, a TYPE or a sample, or it fails the test.
Parsed parse(const std::string& rendered) {
  Parsed result;
  std::istringstream lines(rendered);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string keyword;
    std::string name;
    if (line.starts_with("# ")) {
      words >> hash >> keyword >> name;
      if (keyword == "HELP") {
        ++result.helps[name];
        continue;
      }
      EXPECT_EQ(keyword, "TYPE") << line;
      EXPECT_FALSE(result.types.contains(name)) << "second TYPE: " << line;
      words >> result.types[name];
      continue;
    }
    const std::size_t brace = line.find('{');
    const std::size_t space = line.rfind(' ');
    EXPECT_NE(space, std::string::npos) << line;
    if (space == std::string::npos) continue;
    const std::size_t name_end = std::min(brace, space);
    char* end = nullptr;
    const std::string value = line.substr(space + 1);
    result.samples.push_back({line.substr(0, name_end), line.substr(name_end, space - name_end),
                              std::strtod(value.c_str(), &end)});
    EXPECT_EQ(*end, '\0') << line;
  }
  return result;
}

// One cell of every family.
void fill(Cells& cells) {
  for (std::size_t i = 0; i < metric_count; ++i) {
    const auto metric = static_cast<Metric>(i);
    const auto with = [&](LabelValues labels) {
      switch (family_of(metric).kind) {
        case Kind::counter: cells.counter(metric, labels).add(i); break;
        case Kind::gauge: cells.gauge(metric, labels).add(1); break;
        case Kind::histogram:
          cells.histogram(metric, labels).record(std::chrono::milliseconds(7));
          cells.histogram(metric, labels).record(std::chrono::minutes(7));
          break;
      }
    };
    switch (family_of(metric).labels.size()) {
      case 0: with({}); break;
      case 1: with({"a"}); break;
      case 2: with({"a", "b"}); break;
      case 3: with({"a", "b", "c"}); break;
      case 4: with({"a", "b", "c", "d"}); break;
      default: FAIL() << "a family with more labels than this test knows";
    }
  }
}

TEST(MetricsText, each_family_has_one_help_and_one_type_and_counters_end_in_total) {
  Registry registry;
  fill(registry.add_cells());
  fill(registry.add_cells());
  const Parsed parsed = parse(registry.render());
  EXPECT_EQ(parsed.types.size(), metric_count);
  for (const auto& [name, type] : parsed.types) {
    EXPECT_EQ(parsed.helps.at(name), 1) << name;
    EXPECT_TRUE(name.starts_with("sluice_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << name;
  }
}

TEST(MetricsText, no_series_appears_twice) {
  Registry registry;
  fill(registry.add_cells());
  fill(registry.add_cells());
  std::set<std::string> seen;
  for (const Sample& sample : parse(registry.render()).samples) {
    EXPECT_TRUE(seen.insert(sample.name + sample.labels).second) << sample.name << sample.labels;
  }
}

TEST(MetricsText, buckets_are_cumulative_and_end_in_infinity_with_the_count) {
  Registry registry;
  Histogram& histogram = registry.add_cells().histogram(Metric::added_latency_seconds, {"web"});
  histogram.record(std::chrono::microseconds(50));
  histogram.record(std::chrono::microseconds(51));
  histogram.record(std::chrono::minutes(2));
  std::vector<double> buckets;
  double count = -1;
  double sum = -1;
  std::string last;
  for (const Sample& sample : parse(registry.render()).samples) {
    if (sample.name.ends_with("_count")) count = sample.value;
    if (sample.name.ends_with("_sum")) sum = sample.value;
    if (!sample.name.ends_with("_bucket")) continue;
    if (!buckets.empty()) {
      EXPECT_GE(sample.value, buckets.back());
    }
    buckets.push_back(sample.value);
    last = sample.labels;
  }
  ASSERT_EQ(buckets.size(), Histogram::bucket_count);
  EXPECT_EQ(buckets[0], 1);
  EXPECT_EQ(buckets[1], 2);
  EXPECT_EQ(buckets.back(), 3);
  EXPECT_EQ(count, 3);
  EXPECT_NEAR(sum, 120.000101, 1e-9);
  EXPECT_NE(last.find("le=\"+Inf\""), std::string::npos) << last;
}

TEST(MetricsText, a_label_cannot_end_its_line_or_its_quotes_T25) {
  Registry registry;
  registry.add_cells()
      .counter(Metric::request_bytes_total, {"a\"} 1\nsluice_forged_total 2\\"})
      .add(5);
  const Parsed parsed = parse(registry.render());
  ASSERT_EQ(parsed.samples.size(), 1U);
  EXPECT_EQ(parsed.samples[0].value, 5);
  EXPECT_EQ(parsed.samples[0].labels, R"({listener="a\"} 1\nsluice_forged_total 2\\"})");
}

TEST(MetricsText, families_without_a_cell_are_left_out) {
  Registry registry;
  EXPECT_EQ(registry.render(), "");
  registry.add_cells().gauge(Metric::workers).set(4);
  EXPECT_EQ(parse(registry.render()).types.size(), 1U);
}

TEST(MetricsText, the_manual_has_a_row_for_each_family_with_its_kind_and_labels) {
  std::ifstream file(SLUICE_SOURCE_ROOT "/docs/metrics.md");
  const std::string manual(std::istreambuf_iterator<char>(file), {});
  ASSERT_FALSE(manual.empty());
  for (std::size_t i = 0; i < metric_count; ++i) {
    const Family& family = family_of(static_cast<Metric>(i));
    const std::string_view kind = family.kind == Kind::counter ? "counter"
                                  : family.kind == Kind::gauge ? "gauge"
                                                               : "histogram";
    std::string row = "| `sluice_" + std::string(family.name) + "` | " + std::string(kind) + " | ";
    for (const std::string_view label : family.labels) {
      row += (label == family.labels.front() ? "`" : ", `") + std::string(label) + "`";
    }
    row += family.labels.empty() ? "- | " : " | ";
    EXPECT_NE(manual.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace sluice::observe
