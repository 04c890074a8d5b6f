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
#include "control/discovery/ec2/credential_chain.h"
#include "control/discovery/ec2/credential_store.h"
#include "control/discovery/ec2/errand.h"
#include "control/discovery/ec2/instance_metadata.h"
#include "control/discovery/ec2/region.h"
#include "sluice/config/model.h"

namespace sluice::control::discovery::ec2 {

inline constexpr std::size_t page_instances = 200;  // asked for; a page may have fewer
inline constexpr std::size_t pages_max = 100;
inline constexpr std::size_t instances_max = 5'000;
inline constexpr std::size_t query_bytes_max = std::size_t{64} << 20;  // all pages together
inline constexpr config::Milliseconds query_time{60'000};  // to the last page that is asked for
inline constexpr config::Milliseconds throttled_longest{300'000};

struct TagFilter {
  std::string name;
  std::vector<std::string> values;  // any of these; with the wildcards of EC2
};

struct Question {
  std::string region;    // empty: of the environment, or the instance
  std::string endpoint;  // URL; empty: the region's
  std::vector<TagFilter> tags;
  config::Milliseconds timeout{10'000};  // of one call
  config::Milliseconds refresh{15'000};  // of the group that asks first: how throttling grows

  // Equal text: the same question.
  [[nodiscard]] std::string fingerprint() const;
};

struct Answer {
  std::vector<Instance> instances;                  // by id; all of one moment, or none
  std::string error;                                // printable, no secrets
  std::optional<config::Milliseconds> retry_after;  // throttled
  base::SteadyTime asked_at{};
  bool is_of_loopback = false;  // of a server on this machine: a test
};

// Credentials, region and clock of the process towards AWS, shared by all questions.
class Session {
 public:
  Session(net::Loop& loop, Environment environment);
  [[nodiscard]] CredentialStore& credentials() { return credentials_; }
  [[nodiscard]] InstanceMetadata& metadata() { return metadata_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }
  // By the clock of AWS, as far as it is known.
  [[nodiscard]] base::WallTime now() const { return loop_.clock.wall() + ahead_; }
  // From the field Date of an answer. True when our clock was wrong by more than AWS bears.
  bool set_clock(const std::string& date);

 private:
  net::Loop& loop_;
  Environment environment_;
  InstanceMetadata metadata_;
  ChainParts chain_;
  base::Wall::duration ahead_{};  // AWS of us
  CredentialStore credentials_;
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

// The body of the call. `token`: of the page before; empty: the first page.
[[nodiscard]] std::string form_of(const Question& question, std::string_view token);

// Those in use on this loop: equal questions have one query as long as somebody holds it.
[[nodiscard]] std::shared_ptr<Query> shared_query(net::Loop& loop, const Question& question);

}  // namespace sluice::control::discovery::ec2
