// Instances by their tags: one call of DescribeInstances, page by page, shared by all groups that
// ask the same question. Control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/discovery/ec2/answers.h"
#include "control/discovery/ec2/errand.h"
#include "control/discovery/ec2/question.h"
#include "control/discovery/ec2/region.h"
#include "control/discovery/ec2/session.h"
#include "sluice/config/model.h"

namespace sluice::control::discovery::ec2 {

inline constexpr std::size_t pages_max = 100;
inline constexpr std::size_t instances_max = 5'000;
inline constexpr std::size_t query_bytes_max = std::size_t{64} << 20;  // all pages together
inline constexpr config::Milliseconds query_time{60'000};  // to the last page that is asked for
inline constexpr config::Milliseconds throttled_longest{300'000};

struct Answer {
  std::vector<Instance> instances;                  // by id; all of one moment, or none
  std::string error;                                // printable, no secrets
  std::optional<config::Milliseconds> retry_after;  // throttled
  base::SteadyTime asked_at{};
  bool is_of_loopback = false;  // of a server on this machine: a test
};

class Query : public std::enable_shared_from_this<Query> {
 public:
  Query(net::Loop& loop, std::shared_ptr<Session> session, Question question);
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  using Shared = std::shared_ptr<const Answer>;
  // One that was asked for no longer than `fresh_for` ago and is not `seen`, or a new one: whoever
  // asks twice wants to know better. Null: memory was short. The query must live until it ends.
  // `who` is not told of it.
  [[nodiscard]] net::Task<Shared> answer(const void* who, Shared seen,
                                         config::Milliseconds fresh_for);

  // Who is told, with a turn of the loop of its own, when an answer that somebody else asked for
  // differs from the last good one. Null: no more.
  void tell(const void* who, std::function<void()> changed);

 private:
  struct Outcome;  // of all pages with the same credentials
  [[nodiscard]] net::Task<Answer> ask();
  [[nodiscard]] net::Task<std::string> find_region();
  [[nodiscard]] const Service& service();
  [[nodiscard]] net::Task<Outcome> ask_all(std::string region, Service place,
                                           SharedCredentials credentials, base::SteadyTime until);
  void judge(Outcome& outcome, const HttpAnswer& answer);
  void took(const Shared& answer);
  [[nodiscard]] config::Milliseconds throttled();

  net::Loop& loop_;
  std::shared_ptr<Session> session_;
  const Question question_;
  std::string region_;  // found
  Service service_;
  base::SteadyTime service_until_{};
  std::uint32_t throttled_in_a_row_ = 0;
  Shared last_;
  Shared last_good_;
  std::map<const void*, std::function<void()>> told_;
  std::set<const void*> asking_;
  Errand<Answer> errand_;
};

// Those in use on this loop: equal questions have one query as long as somebody holds it.
[[nodiscard]] std::shared_ptr<Query> shared_query(net::Loop& loop, const Question& question);

}  // namespace sluice::control::discovery::ec2
