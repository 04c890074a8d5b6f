#include "proxy/amendments.h"

#include "proxy/filters/mirror.h"

namespace sluice::proxy {

Amendments::Amendments() = default;
Amendments::~Amendments() = default;

}  // namespace sluice::proxy
