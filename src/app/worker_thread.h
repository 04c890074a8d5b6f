// A worker and the thread that it runs on.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>

#include "sluice/observe/access_log.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/password_verifier.h"
#include "sluice/proxy/worker.h"

namespace sluice::app {

class WorkerThread {
 public:
  WorkerThread(std::size_t index, std::size_t count, observe::Registry& metrics,
               observe::AccessLogWriter& access_log, proxy::PasswordVerifier& verifier);
  ~WorkerThread();  // joins; `stop` must have been called
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  // Any thread.
  void post(std::function<void(proxy::Worker&)> task);
  void stop();

 private:
  proxy::Worker worker_;
  std::thread thread_;
};

}  // namespace sluice::app
