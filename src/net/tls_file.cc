#include "net/tls_file.h"

#include "sluice/base/file.h"

namespace sluice::net {

void TlsFile::read(const std::string& path) {
  auto content = base::read_file(path, largest, error);
  if (!content) return;
  is_readable_by_all = content->is_readable_by_all;
  bytes.swap(content->bytes);
}

BioPointer TlsFile::open() const {
  return BioPointer(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

}  // namespace sluice::net
