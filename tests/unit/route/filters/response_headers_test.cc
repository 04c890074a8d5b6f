#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

std::string errors_of(const std::string& edits) {
  return read_filter("response_headers: " + edits).errors;
}

TEST(ResponseHeaders, the_status_is_known_and_no_field_is_sluices_own) {
  EXPECT_EQ(errors_of("{ set: { X-Status: \"#{status}\" } }"), "");
  EXPECT_EQ(errors_of("{ add: { Via: x }, default: { X-Request-Id: \"#{request_id}\" }, "
                      "remove: [Server, X-Powered-By], rename: { X-A: X-B } }"),
            "");
}

TEST(ResponseHeaders, names_of_the_connection_and_of_framing_are_refused) {
  for (const char* name : {"Connection", "Content-Length", "Transfer-Encoding", "Trailer",
                           "Upgrade", "Sec-WebSocket-Accept", "Host", "grpc-message"}) {
    EXPECT_NE(errors_of(std::string("{ set: {") + name + ": x } }"), "") << name;
    EXPECT_NE(errors_of(std::string("{ remove: ") + name + " }"), "") << name;
  }
}

TEST(ResponseHeaders, off_takes_away_the_listeners) {
  EXPECT_EQ(read_filter("response_headers: off").errors, "");
  EXPECT_TRUE(read_filter("response_headers: off").value.is_empty());
}

}  // namespace
}  // namespace sluice::route::testing
