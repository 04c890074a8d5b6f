#include "control/discovery/ec2/query.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "control/discovery/ec2/error_codes.h"
#include "control/discovery/ec2/patience.h"
#include "control/discovery/ec2/signature.h"
#include "control/health/schedule.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;
using config::Milliseconds;

constexpr auto service_is_kept_for = 1h;
constexpr std::uint32_t doublings_max = 10;
constexpr Milliseconds failure_is_fresh_for{1'000};

// Throttling is not answered with more of it.
bool may_pass(const HttpAnswer& answer) {
  return is_transient(answer) && fault_of(parse_error_code(answer.content)) != Fault::throttled;
}

}  // namespace

struct Query::Outcome {
  std::vector<Instance> instances;
  Fault fault = Fault::none;
  std::string error;
  std::string date;  // of the answer that failed
};

Query::Query(net::Loop& loop, std::shared_ptr<Session> session, Question question)
    : loop_(loop), session_(std::move(session)), question_(std::move(question)), errand_(loop) {}

void Query::tell(const void* who, std::function<void()> changed) {
  if (changed == nullptr) {
    told_.erase(who);
  } else {
    told_[who] = std::move(changed);
  }
}

net::Task<Query::Shared> Query::answer(const void* who, Shared seen, Milliseconds fresh_for) {
  const bool is_fresh =
      last_ != nullptr && last_ != seen &&
      loop_.clock.now() - last_->asked_at <
          (last_->error.empty() ? fresh_for : last_->retry_after.value_or(failure_is_fresh_for));
  if (is_fresh && !errand_.is_running()) co_return last_;
  if (!errand_.is_running()) {
    net::Task<Answer> asking = ask();
    errand_.begin(std::move(asking));
  }
  asking_.insert(who);
  net::Task<Shared> waiting = errand_.result();
  Shared result = co_await std::move(waiting);
  if (result != nullptr && result != last_) took(result);
  co_return result;
}

// By the first of those who waited; the others hear of it as they wait.
void Query::took(const Shared& answer) {
  const std::set<const void*> asking = std::exchange(asking_, {});
  last_ = answer;
  if (!answer->error.empty()) return;
  const Shared former = std::exchange(last_good_, answer);
  if (former == nullptr || former->instances == answer->instances) return;
  for (const auto& [who, changed] : told_) {
    if (asking.contains(who)) continue;
    boost::asio::post(loop_.context, [weak = weak_from_this(), told = who] {
      const auto query = weak.lock();
      if (query == nullptr) return;
      const auto found = query->told_.find(told);  // unless it has gone meanwhile
      if (found != query->told_.end()) std::function<void()>(found->second)();
    });
  }
}

// Empty, with `region_` set, or why there is none.
net::Task<std::string> Query::find_region() {
  if (!region_.empty()) co_return std::string();
  std::string found = question_.region;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (found.empty()) found = session_->environment()(name);
  }
  if (found.empty()) {
    net::Task<InstanceMetadata::Answer> asking =
        session_->metadata().get(std::string(InstanceMetadata::path_of_region));
    InstanceMetadata::Answer answer = co_await std::move(asking);
    if (!answer.error.empty()) {
      co_return "no region: neither `region` nor AWS_REGION is set; " + answer.error;
    }
    found = answer.content;
  }
  if (!is_region(found)) co_return "no region: " + observe::escaped(found, 32) + " is none";
  region_ = found;
  co_return std::string();
}

// Kept for a while: the authorities of the system are many to load.
const Service& Query::service() {
  const base::SteadyTime now = loop_.clock.now();
  if (now >= service_until_ || !service_.error.empty()) {
    service_ =
        service_at(question_.endpoint.empty() ? endpoint_of("ec2", region_) : question_.endpoint);
    service_until_ = now + service_is_kept_for;
  }
  return service_;
}

net::Task<Answer> Query::ask() {
  Answer answer;
  answer.asked_at = loop_.clock.now();
  const base::SteadyTime until = answer.asked_at + query_time;
  net::Task<std::string> finding = find_region();
  answer.error = co_await std::move(finding);
  if (!answer.error.empty()) co_return answer;
  const Service place = service();
  answer.error = place.error;
  answer.is_of_loopback = is_loopback_host(place.url.host);
  bool may_set_clock = true;
  bool may_renew = true;
  while (answer.error.empty()) {
    net::Task<Fetched> fetching = session_->credentials().get(region_);
    const Fetched fetched = co_await std::move(fetching);
    if (fetched.credentials == nullptr) {
      answer.error = fetched.error;
      break;
    }
    net::Task<Outcome> asking = ask_all(region_, place, fetched.credentials, until);
    Outcome outcome = co_await std::move(asking);
    if (outcome.fault == Fault::none) {
      throttled_in_a_row_ = 0;
      std::ranges::sort(outcome.instances, {}, &Instance::id);
      answer.instances = std::move(outcome.instances);
      break;
    }
    // Once each: what is wrong may be our clock, or credentials that have ended.
    if (outcome.fault == Fault::clock && std::exchange(may_set_clock, false) &&
        session_->set_clock(outcome.date)) {
      continue;
    }
    const bool may_be_credentials =
        outcome.fault == Fault::clock || outcome.fault == Fault::credentials;
    if (may_be_credentials && std::exchange(may_renew, false)) {
      session_->credentials().refuse(fetched.credentials);
      continue;
    }
    answer.error = outcome.error;
    if (outcome.fault == Fault::throttled) answer.retry_after = throttled();
  }
  co_return answer;
}

// Twice as long each time, spread, so that what made it stop does not come together again.
Milliseconds Query::throttled() {
  const std::uint32_t doublings = std::min(++throttled_in_a_row_, doublings_max);
  const Milliseconds wait = std::min(question_.refresh * (1U << doublings), throttled_longest);
  return health::jittered(wait, 20, random_bits());
}

net::Task<Query::Outcome> Query::ask_all(std::string region, Service place,
                                         SharedCredentials credentials, base::SteadyTime until) {
  Outcome outcome;
  std::string token;
  std::size_t bytes = 0;
  for (std::size_t page = 0; page < pages_max; ++page) {
    const auto left = std::chrono::floor<Milliseconds>(until - loop_.clock.now());
    if (left <= 0ms) {
      outcome.fault = Fault::other;
      outcome.error = place.url.authority + ": not all pages came in time";
      co_return outcome;
    }
    const std::string form = form_of(question_, token);
    MakeRequest make = [this, &form, &place, &region, &credentials] {
      HttpRequest request = place.request();
      request.method = "POST";
      request.content = form;
      request.bytes_max = answer_bytes_max;
      const auto signature = sign({.authority = place.url.authority,
                                   .path = place.url.path,
                                   .content = form,
                                   .region = region,
                                   .service = "ec2",
                                   .time = session_->now()},
                                  *credentials);
      if (!signature) return request;  // refused by the other side, as memory was short
      request.fields = {{"Content-Type", std::string(form_content_type)},
                        {"X-Amz-Date", signature->timestamp},
                        {"Authorization", signature->authorization}};
      const std::string_view session_token = credentials->session_token.reveal();
      if (!session_token.empty()) {
        request.fields.emplace_back("X-Amz-Security-Token", session_token);
      }
      return request;
    };
    net::Task<HttpAnswer> asking =
        ask_again(loop_, std::move(make),
                  {.timeout = std::min(question_.timeout, left), .is_transient = may_pass});
    HttpAnswer answer = co_await std::move(asking);
    judge(outcome, answer);
    if (outcome.fault != Fault::none) {
      outcome.error = place.url.authority + ": " + outcome.error;
      co_return outcome;
    }
    bytes += answer.content.size();
    std::optional<Page> read = parse_instances(answer.content, outcome.error);
    if (!read) {
      outcome.fault = Fault::other;
      outcome.error = place.url.authority + ": " + outcome.error;
      co_return outcome;
    }
    std::ranges::move(read->instances, std::back_inserter(outcome.instances));
    if (outcome.instances.size() > instances_max || bytes > query_bytes_max) {
      outcome.fault = Fault::other;
      outcome.error = "more than " + std::to_string(instances_max) +
                      " instances, or more text about them than is read; narrow `tags`";
      co_return outcome;
    }
    if (read->next_token.empty()) co_return outcome;
    token = std::move(read->next_token);
  }
  outcome.fault = Fault::other;
  outcome.error = "more than " + std::to_string(pages_max) + " pages";
  co_return outcome;
}

void Query::judge(Outcome& outcome, const HttpAnswer& answer) {
  if (!answer.error.empty()) {
    outcome.fault = Fault::other;
    outcome.error = answer.error;
    return;
  }
  if (answer.status == 200) return;
  const std::string code = parse_error_code(answer.content);
  outcome.fault = fault_of(code);
  outcome.date = answer.date;
  outcome.error = code.empty() ? "answered " + std::to_string(answer.status) : code;
  const std::string_view advice = advice_of(outcome.fault);
  if (!advice.empty()) outcome.error.append(": ").append(advice);
}

// --- who shares what ----------------------------------------------------------------------------

std::shared_ptr<Query> shared_query(net::Loop& loop, const Question& question) {
  // Of the control thread; the entries hold nothing.
  thread_local std::map<net::Loop*, std::weak_ptr<Session>> sessions;
  thread_local std::map<std::pair<net::Loop*, std::string>, std::weak_ptr<Query>> queries;
  std::erase_if(sessions, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(queries, [](const auto& entry) { return entry.second.expired(); });
  auto& known = queries[{&loop, question.fingerprint()}];
  if (auto query = known.lock()) return query;
  auto& of_loop = sessions[&loop];
  std::shared_ptr<Session> session = of_loop.lock();
  if (session == nullptr) {
    session = std::make_shared<Session>(loop, process_environment());
    of_loop = session;
  }
  auto query = std::make_shared<Query>(loop, std::move(session), question);
  known = query;
  return query;
}

}  // namespace sluice::control::discovery::ec2
