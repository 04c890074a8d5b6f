#include "sluice/proxy/password_verifier.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <system_error>
#include <utility>

#include "sluice/base/clock.h"
#include "sluice/net/secret.h"

namespace sluice::proxy {
namespace {

// On a busy machine a third of a worker's share: a right password must not starve either.
constexpr int niceness = 5;

// Of the calling thread: Linux has one niceness per thread. Where it cannot be set it stays.
void become_a_verifier() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the control thread's business
  pthread_setname_np(pthread_self(), "passwords");
  (void)::setpriority(PRIO_PROCESS, 0, niceness);
}

bool is_abandoned(const std::shared_ptr<PasswordTicket>& ticket) { return ticket->is_abandoned(); }

}  // namespace

void PasswordTicket::abandon() {
  const std::scoped_lock lock(mutex_);
  loop_ = nullptr;
}

bool PasswordTicket::is_abandoned() const {
  const std::scoped_lock lock(mutex_);
  return loop_ == nullptr;
}

// Posts under the lock: the loop is there as long as the ticket has not been abandoned.
void PasswordTicket::answer(const std::shared_ptr<PasswordTicket>& ticket, Verdict verdict) {
  const std::scoped_lock lock(ticket->mutex_);
  if (ticket->loop_ == nullptr) return;
  net::asio::post(ticket->loop_->context, [ticket, verdict] {
    ticket->verdict = verdict;
    ticket->ended.fire(net::Wake::ready);
  });
}

PasswordVerifier::~PasswordVerifier() {
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
    turns_.clear();
    for (auto& [cache, load] : loads_) {
      for (const auto& job : load.queue) net::wipe(job->question.password);
      load.queue.clear();
    }
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<PasswordTicket> PasswordVerifier::ask(Question question, net::Loop& loop) {
  auto ticket = std::make_shared<PasswordTicket>(loop);
  const std::scoped_lock lock(mutex_);
  const auto known = jobs_.find(question.key);
  Load& load = loads_[question.cache.get()];
  const bool has_room =
      load.requests < question.waiting && (known != jobs_.end() || load.jobs < question.queue);
  if (is_ending_ || !has_room || !start_threads()) {
    if (load.requests == 0) loads_.erase(question.cache.get());
    net::wipe(question.password);
    return nullptr;
  }
  ++load.requests;
  if (known != jobs_.end()) {
    known->second->tickets.push_back(ticket);
    net::wipe(question.password);
    return ticket;
  }
  ++load.jobs;
  auto job = std::make_shared<Job>();
  job->question = std::move(question);
  job->tickets.push_back(ticket);
  jobs_.emplace(job->question.key, job);
  if (load.queue.empty()) turns_.push_back(job->question.cache.get());
  load.queue.push_back(std::move(job));
  changed_.notify_one();
  return ticket;
}

// One that could not be started is tried again with the next question.
bool PasswordVerifier::start_threads() {
  try {
    while (threads_.size() < thread_count_) threads_.emplace_back([this] { run(); });
  } catch (const std::system_error&) {
    return !threads_.empty();
  }
  return true;
}

std::shared_ptr<PasswordVerifier::Job> PasswordVerifier::next_job() {
  const route::CredentialCache* const filter = turns_.front();
  turns_.pop_front();
  std::deque<std::shared_ptr<Job>>& queue = loads_.find(filter)->second.queue;
  std::shared_ptr<Job> job = std::move(queue.front());
  queue.pop_front();
  if (!queue.empty()) turns_.push_back(filter);
  return job;
}

void PasswordVerifier::run() {
  become_a_verifier();
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_ending_ || !turns_.empty(); });
      if (is_ending_) return;
      job = next_job();
      // Whoever sends passwords and leaves would have them all verified.
      if (std::ranges::all_of(job->tickets, is_abandoned)) {
        forget(*job);
        net::wipe(job->question.password);
        continue;
      }
    }
    const Question& question = job->question;
    Verdict verdict = question.account.hash->check(question.password);
    if (verdict == Verdict::matches && !question.account.is_known) verdict = Verdict::differs;
    if (verdict != Verdict::failed) {
      question.cache->add(question.key, verdict == Verdict::matches, base::Steady::now());
    }
    finish(job, verdict);
  }
}

void PasswordVerifier::forget(const Job& job) {
  jobs_.erase(job.question.key);  // nobody joins any more
  const auto load = loads_.find(job.question.cache.get());
  load->second.requests -= static_cast<std::uint32_t>(job.tickets.size());
  if (--load->second.jobs == 0) loads_.erase(load);
}

void PasswordVerifier::finish(const std::shared_ptr<Job>& job, Verdict verdict) {
  {
    const std::scoped_lock lock(mutex_);
    forget(*job);
  }
  net::wipe(job->question.password);
  for (const auto& ticket : job->tickets) PasswordTicket::answer(ticket, verdict);
}

}  // namespace sluice::proxy
