// The calls about target groups and events, from the request to the reply, without I/O.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "control/admin_api.h"
#include "control/admin_event_stream.h"

namespace sluice::control {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using target::Ejection;
using target::State;
using target::StateReason;

class AdminCalls : public ::testing::Test {
 protected:
  AdminReply ask(std::string_view target, std::vector<std::string_view> accept = {},
                 std::vector<std::string_view> last_event_id = {}) {
    const AdminHooks hooks{.is_ready = [] { return true; },
                           .metrics = [] { return std::string(); },
                           .status = [] { return AdminStatus{}; },
                           .target_groups = [this] { return groups_; },
                           .target_group = [this](std::string_view name) { return find(name); },
                           .targets =
                               [this](std::string_view name) {
                                 return find(name) ? std::optional(targets_) : std::nullopt;
                               },
                           .events = [this]() -> Events& { return events_; }};
    return answer({.method = "GET",
                   .target = target,
                   .source = {.host = {"localhost"}},
                   .accept = std::move(accept),
                   .last_event_id = std::move(last_event_id)},
                  hooks);
  }
  json::value ask_json(std::string_view target, std::vector<std::string_view> accept = {}) {
    const AdminReply reply = ask(target, std::move(accept));
    EXPECT_EQ(reply.status, 200u) << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
    return json::parse(reply.body);
  }
  std::optional<GroupStatus> find(std::string_view name) {
    for (const GroupStatus& group : groups_) {
      if (group.name == name) return group;
    }
    return std::nullopt;
  }
  void add_events(int count) {
    for (int i = 0; i < count; ++i) events_.add({.type = event_type::reload});
  }

  std::vector<GroupStatus> groups_{{.name = "api", .algorithm = "round_robin"}};
  std::vector<TargetStatus> targets_{{.id = "10.0.0.1:80", .address = "10.0.0.1:80"}};
  Events events_;
};

std::string text_at(const json::value& value, std::string_view name) {
  return std::string(value.at(name).as_string());
}

// --- target groups ------------------------------------------------------------------------------

TEST_F(AdminCalls, groups_are_an_array_with_counts) {
  groups_[0].is_https = true;
  groups_[0].protocol_version = config::ProtocolVersion::grpc;
  groups_[0].stickiness = config::StickinessType::app_cookie;
  groups_[0].by_state = {1, 2, 3, 4, 5};
  groups_[0].ejected = 2;
  groups_[0].fails_open = true;
  groups_[0].in_use = true;
  EXPECT_EQ(ask_json("/v1/target-groups"),
            json::parse(R"([{"name":"api","protocol":"https","protocol_version":"grpc",
      "algorithm":"round_robin","stickiness":"app_cookie","in_use":true,"targets":{"initial":1,"healthy":2,"unhealthy":3,
      "draining":4,"unused":5},"ejected":2,"fails_open":true}])"));
  EXPECT_EQ(ask_json("/v1/target-groups/api"), ask_json("/v1/target-groups").at(0));
}

TEST_F(AdminCalls, a_target_that_nothing_is_known_about_has_nulls) {
  EXPECT_EQ(ask_json("/v1/target-groups/api/targets"),
            json::parse(R"([{"id":"10.0.0.1:80","address":"10.0.0.1:80","weight":1,
      "source":"config","sources":["config"],"zone":null,"state":"initial","reason":null,"since":null,"ejected":null,
      "slow_start_percent":100,"share_percent":100,"active_requests":0,"connections":0,
      "latency_ms":null,"last_check":null}])"));
}

TEST_F(AdminCalls, a_target_tells_all_that_is_known) {
  const base::WallTime time{seconds(1'700'000'000)};
  targets_[0] = {.id = "app.test:80",
                 .address = "10.0.0.1:80",
                 .weight = 7,
                 .state = State::draining,
                 .reason = StateReason::deregistration_in_progress,
                 .since = time,
                 .ejection = Ejection::ejected,
                 .ejection_reason = StateReason::ejected_5xx,
                 .ejected_until = time,
                 .slow_start_percent = 40,
                 .share_percent = 10,
                 .active_requests = 3,
                 .connections = 4,
                 .latency = std::chrono::microseconds(1'500),
                 .last_check = TargetStatus::Check{time, milliseconds(12), "status \"503\"\n"},
                 .deregistration_remaining = seconds(9)};
  EXPECT_EQ(ask_json("/v1/target-groups/api/targets").at(0),
            json::parse(R"({"id":"app.test:80","address":"10.0.0.1:80","weight":7,
      "source":"config","sources":["config"],"zone":null,"state":"draining","reason":"Target.DeregistrationInProgress",
      "since":"2023-11-14T22:13:20.000Z","ejected":{"reason":"Target.EjectedConsecutive5xx",
      "probing":false,"until":"2023-11-14T22:13:20.000Z"},"slow_start_percent":40,
      "share_percent":10,"active_requests":3,"connections":4,"latency_ms":1.5,
      "last_check":{"time":"2023-11-14T22:13:20.000Z","duration_ms":12.0,"result":"failure",
      "text":"status \"503\"\n"},"deregistration_remaining_s":9})"));
}

TEST_F(AdminCalls, a_probing_target_has_no_end_of_its_ejection) {
  targets_[0].ejection = Ejection::probing;
  targets_[0].ejection_reason = StateReason::ejected_latency;
  EXPECT_EQ(ask_json("/v1/target-groups/api/targets").at(0).at("ejected"),
            json::parse(R"({"reason":"Target.EjectedLatency","probing":true,"until":null})"));
}

TEST_F(AdminCalls, an_unknown_group_is_a_problem_that_tells_which_there_are) {
  for (const char* path : {"/v1/target-groups/apo", "/v1/target-groups/apo/targets"}) {
    const AdminReply reply = ask(path);
    EXPECT_EQ(reply.status, 404u);
    EXPECT_EQ(reply.content_type, "application/problem+json");
    EXPECT_EQ(text_at(json::parse(reply.body), "detail"),
              "there is no target group 'apo'; there are api");
  }
}

TEST_F(AdminCalls, names_in_paths_are_decoded_once_and_their_slashes_separate_nothing) {
  for (const char* name : {"a/b", "..", "a b", "%41", "ü"}) groups_.push_back({.name = name});
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/a%2Fb"), "name"), "a/b");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/a%2fb?x=/y"), "name"), "a/b");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/%2e%2E"), "name"), "..");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/a%20b"), "name"), "a b");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/%2541"), "name"), "%41");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/%C3%BC"), "name"), "ü");
  EXPECT_EQ(text_at(ask_json("/v1/target-groups/%61pi"), "name"), "api");
  EXPECT_EQ(ask("/v1/target-groups/a/b").status, 404u);
}

TEST_F(AdminCalls, a_percent_sign_without_two_digits_is_refused) {
  for (const char* name : {"%", "%4", "%zz", "a%-1", "%+1b", "x%"}) {
    EXPECT_EQ(ask("/v1/target-groups/" + std::string(name)).status, 400u) << name;
  }
}

TEST_F(AdminCalls, a_name_cannot_be_empty) {
  EXPECT_EQ(ask("/v1/target-groups/").status, 404u);
  EXPECT_EQ(ask("/v1/target-groups//targets").status, 404u);
  EXPECT_EQ(ask("/v1/target-groups/api/targets/").status, 404u);
}

TEST_F(AdminCalls, an_unknown_name_cannot_break_the_json) {
  const AdminReply reply = ask("/v1/target-groups/%00%ff%22%0a");
  EXPECT_EQ(reply.status, 404u);
  EXPECT_NO_THROW((void)json::parse(reply.body));
}

// --- events -------------------------------------------------------------------------------------

TEST_F(AdminCalls, events_are_an_array_for_who_wants_json) {
  events_.add({.at = base::WallTime(seconds(1'700'000'000)),
               .type = event_type::target_ejected,
               .target_group = "api",
               .target = "10.0.0.1:80",
               .fields = {{"reason", "Target.EjectedLatency"},
                          {"ejected_for_ms", std::int64_t{10'000}},
                          {"error", nullptr}}});
  EXPECT_EQ(ask_json("/v1/events", {"text/html, application/json;q=0.9"}),
            json::parse(R"([{"id":1,"time":"2023-11-14T22:13:20.000Z","type":"target_ejected",
      "target_group":"api","target":"10.0.0.1:80","reason":"Target.EjectedLatency",
      "ejected_for_ms":10000,"error":null}])"));
}

TEST_F(AdminCalls, the_array_begins_behind_since) {
  add_events(5);
  EXPECT_EQ(ask_json("/v1/events?since=3", {"application/json"}).as_array().size(), 2u);
  EXPECT_EQ(ask_json("/v1/events?x=1&since=5", {"application/json"}).as_array().size(), 0u);
  EXPECT_EQ(ask_json("/v1/events?since=99", {"application/json"}).as_array().size(), 5u);
  EXPECT_EQ(ask_json("/v1/events", {"application/json"}).as_array().size(), 5u);
}

TEST_F(AdminCalls, what_is_no_id_is_refused) {
  for (const char* since : {"x", "", "-1", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(ask("/v1/events?since=" + std::string(since)).status, 400u) << since;
    EXPECT_EQ(ask("/v1/events", {}, {since}).status, 400u) << since;
  }
}

TEST_F(AdminCalls, a_stream_begins_with_what_is_new) {
  add_events(2);
  const AdminReply reply = ask("/v1/events", {"*/*"});
  EXPECT_EQ(reply.content_type, "text/event-stream");
  ASSERT_NE(reply.events, nullptr);
  EXPECT_EQ(reply.events->next(), "");
  int woken = 0;
  reply.events->on_new([&woken] { ++woken; });
  add_events(1);
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(reply.events->next(),
            "id: 3\nevent: reload\ndata: " + json_text(events_.all().back()) + "\n\n");
  EXPECT_EQ(reply.events->next(), "");
}

TEST_F(AdminCalls, a_stream_resumes_behind_the_last_event_that_its_reader_has) {
  add_events(5);
  EXPECT_TRUE(ask("/v1/events?since=0").events->next().starts_with("id: 1\n"));
  EXPECT_TRUE(ask("/v1/events", {}, {"3"}).events->next().starts_with("id: 4\n"));
  // A browser that connects again still has the old URL.
  EXPECT_TRUE(ask("/v1/events?since=1", {}, {"4"}).events->next().starts_with("id: 5\n"));
  // The id of a former process.
  EXPECT_TRUE(ask("/v1/events", {}, {"4711"}).events->next().starts_with("id: 1\n"));
}

TEST_F(AdminCalls, a_stream_tells_what_it_missed) {
  const AdminReply reply = ask("/v1/events");
  add_events(static_cast<int>(Events::kept) + 7);
  EXPECT_TRUE(reply.events->next().starts_with(": 7 events are missing\n\nid: 8\n"));
}

TEST_F(AdminCalls, a_stream_gives_out_batches) {
  const AdminReply reply = ask("/v1/events");
  for (int i = 0; i < 200; ++i) {
    events_.add({.type = event_type::reload, .target = std::string(1000, 'x')});
  }
  std::string all;
  for (std::string batch = reply.events->next(); !batch.empty(); batch = reply.events->next()) {
    EXPECT_LT(batch.size(), AdminEventStream::batch_bytes + 2000);
    all += batch;
  }
  EXPECT_NE(all.find("id: 1\n"), std::string::npos);
  EXPECT_NE(all.find("id: 200\n"), std::string::npos);
}

TEST_F(AdminCalls, there_are_sixteen_streams_at_most) {
  std::vector<AdminReply> streams;
  for (std::size_t i = 0; i < AdminEventStream::streams_max; ++i) {
    streams.push_back(ask("/v1/events"));
    ASSERT_EQ(streams.back().status, 200u);
  }
  EXPECT_EQ(ask("/v1/events").status, 503u);
  EXPECT_EQ(ask("/v1/events", {"application/json"}).status, 200u);
  streams.pop_back();
  EXPECT_EQ(ask("/v1/events").status, 200u);
}

}  // namespace
}  // namespace sluice::control
