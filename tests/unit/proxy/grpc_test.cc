// What is gRPC, how long a client waits, and what our own answers are called there.
#include "proxy/grpc.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::proxy {
namespace {

using observe::Reason;
using std::chrono::milliseconds;

bool judged_as_grpc(std::string_view content_type, bool http2 = true) {
  http::RequestHead request;
  request.http2 = http2;
  request.fields.add("Content-Type", content_type);
  return is_grpc(request);
}

TEST(IsGrpc, knows_it_by_its_content_type) {
  EXPECT_TRUE(judged_as_grpc("application/grpc"));
  EXPECT_TRUE(judged_as_grpc("application/grpc+proto"));
  EXPECT_TRUE(judged_as_grpc("application/grpc;charset=utf-8"));
  EXPECT_TRUE(judged_as_grpc("Application/GRPC+json"));
}

TEST(IsGrpc, takes_nothing_else_for_it) {
  EXPECT_FALSE(judged_as_grpc("application/grpc-web"));
  EXPECT_FALSE(judged_as_grpc("application/grpc-web+proto"));
  EXPECT_FALSE(judged_as_grpc("application/grpcx"));
  EXPECT_FALSE(judged_as_grpc("application/grp"));
  EXPECT_FALSE(judged_as_grpc(""));
  EXPECT_FALSE(judged_as_grpc("text/plain"));
  http::RequestHead without;
  without.http2 = true;
  EXPECT_FALSE(is_grpc(without));
}

TEST(IsGrpc, needs_http2) { EXPECT_FALSE(judged_as_grpc("application/grpc", false)); }

std::optional<milliseconds> timeout_of(std::string_view value) {
  http::RequestHead request;
  request.fields.add("grpc-timeout", value);
  return grpc_timeout(request);
}

TEST(GrpcTimeout, knows_every_unit) {
  EXPECT_EQ(timeout_of("2H"), milliseconds(2 * 3'600'000));
  EXPECT_EQ(timeout_of("3M"), milliseconds(180'000));
  EXPECT_EQ(timeout_of("4S"), milliseconds(4'000));
  EXPECT_EQ(timeout_of("5m"), milliseconds(5));
  EXPECT_EQ(timeout_of("6000u"), milliseconds(6));
  EXPECT_EQ(timeout_of("7000000n"), milliseconds(7));
}

TEST(GrpcTimeout, rounds_up_to_a_millisecond_at_least) {
  EXPECT_EQ(timeout_of("1u"), milliseconds(1));
  EXPECT_EQ(timeout_of("1001u"), milliseconds(2));
  EXPECT_EQ(timeout_of("1n"), milliseconds(1));
  EXPECT_EQ(timeout_of("1000001n"), milliseconds(2));
  EXPECT_EQ(timeout_of("0S"), milliseconds(1));
}

TEST(GrpcTimeout, may_have_eight_digits) {
  EXPECT_EQ(timeout_of("99999999m"), milliseconds(99'999'999));
  EXPECT_EQ(timeout_of("00000001S"), milliseconds(1'000));
  EXPECT_EQ(timeout_of("99999999H"), milliseconds(99'999'999LL * 3'600'000));
  EXPECT_EQ(timeout_of("100000000m"), std::nullopt);
  EXPECT_EQ(timeout_of("000000001S"), std::nullopt);
}

TEST(GrpcTimeout, ignores_what_is_malformed) {
  for (const std::string_view value :
       {"", "S", "1", "12", "1s", "1h", "-1S", "+1S", "1.5S", "1 S", " 1S", "0x1S", "1SS", "1S1"}) {
    EXPECT_EQ(timeout_of(value), std::nullopt) << value;
  }
}

TEST(GrpcTimeout, is_none_without_the_field) {
  EXPECT_EQ(grpc_timeout(http::RequestHead{}), std::nullopt);
}

TEST(GrpcStatus, follows_the_status_of_http) {
  const std::vector<std::pair<std::uint16_t, std::uint32_t>> expected{
      {400, 13}, {401, 16}, {403, 7},  {404, 12}, {405, 12}, {413, 8},  {429, 14},
      {431, 8},  {500, 2},  {501, 12}, {502, 14}, {503, 14}, {504, 14}, {507, 2}};
  for (const auto& [status, grpc] : expected) {
    EXPECT_EQ(grpc_status(Reason::internal_error, status), grpc) << status;
  }
}

TEST(GrpcStatus, of_a_time_that_passed_is_deadline_exceeded) {
  for (const Reason reason :
       {Reason::total_timeout, Reason::target_response_timeout, Reason::target_try_timeout}) {
    EXPECT_EQ(grpc_status(reason, observe::status_of(reason)), 4U) << observe::text(reason);
  }
  // It was never reached: another attempt may find it.
  EXPECT_EQ(grpc_status(Reason::target_connect_timeout, 504), 14U);
}

TEST(GrpcStatus, behind_the_head_of_an_answer_says_what_broke) {
  EXPECT_EQ(grpc_status(Reason::target_body_cut, 0), 14U);
  EXPECT_EQ(grpc_status(Reason::target_body_timeout, 0), 14U);
  EXPECT_EQ(grpc_status(Reason::shutdown_deadline, 0), 14U);
  EXPECT_EQ(grpc_status(Reason::target_body_malformed, 0), 13U);
}

}  // namespace
}  // namespace sluice::proxy
