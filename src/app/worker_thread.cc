#include "app/worker_thread.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <csignal>
#include <string>
#include <utility>

namespace sluice::app {

namespace {

// Signals are the control thread's business.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

WorkerThread::WorkerThread(std::size_t index, std::size_t count, observe::Registry& metrics,
                           observe::AccessLogWriter& access_log, proxy::PasswordVerifier& verifier)
    : worker_(metrics.add_cells(), access_log, static_cast<std::uint32_t>(count), &verifier) {
  thread_ = std::thread([this, index] {
    block_signals();
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index)).c_str());
    worker_.loop().run();
  });
}

WorkerThread::~WorkerThread() {
  if (thread_.joinable()) thread_.join();
}

void WorkerThread::post(std::function<void(proxy::Worker&)> task) {
  boost::asio::post(worker_.loop().context, [this, task = std::move(task)] { task(worker_); });
}

void WorkerThread::stop() {
  post([](proxy::Worker& worker) { worker.loop().stop(); });
}

}  // namespace sluice::app
