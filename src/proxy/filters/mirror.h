// The filter mirror: a copy of the request, as it goes to the target, for another group.
//
// The exchange never waits for it: its head is copied when it is written, its content as it passes,
// and once that is whole the copy leaves in a coroutine of its own, which keeps nothing of the
// exchange. What it costs is bounded: `body_bytes` each, `in_flight` of them, `timeout`.
#pragma once

#include <memory>
#include <utility>

#include "proxy/side_request.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/mirror.h"

namespace sluice::proxy {

// One of the copies that there may be.
class MirrorPlace {
 public:
  // To be given only after `load` let it enter.
  explicit MirrorPlace(std::shared_ptr<route::MirrorLoad> load) : load_(std::move(load)) {}
  ~MirrorPlace() {
    if (load_ != nullptr) load_->leave();
  }
  MirrorPlace(MirrorPlace&& other) noexcept = default;
  MirrorPlace& operator=(MirrorPlace&&) = delete;

 private:
  std::shared_ptr<route::MirrorLoad> load_;
};

// What has been copied so far, until all of it is.
struct MirrorCopy {
  MirrorPlace place;
  const route::Mirror* settings;
  SideRequestHead head;
  SideRequestBody body;
  base::SteadyTime began;
  observe::Counter* unsent;  // why not, when it ends so
  ~MirrorCopy() {
    if (unsent != nullptr) unsent->add();
  }
};

// The head for the target is in exchange.head_buffer, and has not been sent. Of several tries only
// the first counts.
void begin_copy(Exchange& exchange);
// Content that is about to be sent.
void copy_content(Exchange& exchange, const upstream::Runs& runs);
// There is no more of it.
void end_copy(Exchange& exchange);
// The body is read again from its beginning.
void restart_copy(Exchange& exchange);

}  // namespace sluice::proxy
