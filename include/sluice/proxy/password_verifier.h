// Verifies passwords for all workers on a few threads of its own, for one takes milliseconds to a
// second, and a worker's thread may not stand still that long.
//
// One per process, owned by app/server, outliving the workers and every configuration. The threads
// begin with the first question; they have a lower priority than workers, so that a flood of wrong
// passwords takes the processor only while nobody else wants it. A question that is under way
// already, from another stream or connection of the same browser, is not asked again: both get the
// same answer. Filters take turns, so that none waits for the flood of another. Answers go into the
// filter's cache, also when nobody waits any more; what nobody waits for is not begun.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sluice/net/loop.h"
#include "sluice/net/password_hash.h"
#include "sluice/net/task.h"
#include "sluice/route/filters/basic_auth.h"

namespace sluice::proxy {

// What one request gets for its question.
class PasswordTicket {
 public:
  using Verdict = net::PasswordHash::Verdict;

  explicit PasswordTicket(net::Loop& loop) : loop_(&loop) {}

  // --- the thread of the loop
  net::WaitSlot ended;             // fired once `verdict` is there
  std::optional<Verdict> verdict;  // of an unknown user `differs`, whatever was found
  // Nobody waits any more: `ended` is not fired. To be called before the loop ends.
  void abandon();

  // --- any thread
  static void answer(const std::shared_ptr<PasswordTicket>& ticket, Verdict verdict);
  [[nodiscard]] bool is_abandoned() const;

 private:
  mutable std::mutex mutex_;
  net::Loop* loop_;  // null: abandoned
};

class PasswordVerifier {
 public:
  using Verdict = PasswordTicket::Verdict;

  struct Question {
    net::Sha256 key{};  // by CredentialCache::key
    std::string password;
    route::BasicAuth::Account account;
    std::shared_ptr<route::CredentialCache> cache;  // of the filter; gets the answer
    std::uint32_t queue = 0;                        // the filter's
    std::uint32_t waiting = 0;
  };

  explicit PasswordVerifier(std::size_t threads) : thread_count_(threads) {}
  // Ends with the verifications that have begun, a second at most; the others are dropped, and
  // their tickets never answered.
  ~PasswordVerifier();
  PasswordVerifier(const PasswordVerifier&) = delete;
  PasswordVerifier& operator=(const PasswordVerifier&) = delete;

  // Any thread that runs `loop`. The password is wiped when it is not needed any more. Null: the
  // filter has as many under way, or waiting, as it may, or there is no thread to be had.
  [[nodiscard]] std::shared_ptr<PasswordTicket> ask(Question question, net::Loop& loop);

 private:
  struct Job {
    Question question;
    std::vector<std::shared_ptr<PasswordTicket>> tickets;
  };
  // Of one filter.
  struct Load {
    std::uint32_t jobs = 0;
    std::uint32_t requests = 0;
    std::deque<std::shared_ptr<Job>> queue;  // not begun
  };

  [[nodiscard]] bool start_threads();
  void run();
  // The first of the filter whose turn it is, which has its next one after all others. Under the
  // lock.
  [[nodiscard]] std::shared_ptr<Job> next_job();
  void forget(const Job& job);  // under the lock
  void finish(const std::shared_ptr<Job>& job, Verdict verdict);

  const std::size_t thread_count_;
  std::mutex mutex_;  // what follows
  std::condition_variable changed_;
  std::map<net::Sha256, std::shared_ptr<Job>> jobs_;  // under way, and in the queues
  std::map<const route::CredentialCache*, Load> loads_;
  std::deque<const route::CredentialCache*> turns_;  // those whose queue is not empty, each once
  std::vector<std::thread> threads_;
  bool is_ending_ = false;
};

}  // namespace sluice::proxy
