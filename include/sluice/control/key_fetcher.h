// Fetches the key sets of `jwt` filters from their URLs, and hands them to the workers.
//
// One fetch at a time per URL and settings, whatever the number of rules that name it: at the
// start, every `refresh` less up to a tenth (many processes must not ask at once), sooner after a
// failure, and early, once per `refetch` at most, when a token names an unknown key. A fetch that
// fails leaves the last good set in use. Control thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "sluice/net/loop.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/random.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/route/filters/jwt_keys.h"

namespace sluice::control {

class KeyFetcher {
 public:
  // Both are the control thread's, and outlive the fetcher.
  KeyFetcher(net::Loop& loop, observe::Cells& cells);
  ~KeyFetcher();
  KeyFetcher(const KeyFetcher&) = delete;
  KeyFetcher& operator=(const KeyFetcher&) = delete;

  // Fetches for the sources of this snapshot, and for no others. To be called before workers see
  // it: what is known already of the same URL is then in new sources too.
  void apply(const proxy::Snapshot& snapshot);

  // What is under way is given up, and `apply` does nothing afterwards.
  void stop();

 private:
  struct Job;
  using Jobs = std::map<std::string, std::unique_ptr<Job>>;

  void join(Job& job, const std::shared_ptr<route::KeySource>& source);
  void leave(Job& job);
  void asked(const std::string& name);
  void start(Job& job);
  net::Task<> run(Job& job);
  void finish(Job& job, std::string content, std::string error);
  void failed(Job& job, const std::string& error);
  void succeeded(Job& job, route::KeySource::SharedKeys keys);

  net::Loop& loop_;
  observe::Cells& cells_;
  proxy::Random random_;
  Jobs jobs_;
  bool is_stopped_ = false;
};

}  // namespace sluice::control
