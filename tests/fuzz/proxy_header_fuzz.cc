// PROXY protocol headers: however the bytes come the answer is the same, nothing behind the header
// counts, and what was read is written so that it is read the same again.
#include <string>
#include <vector>

#include "property.h"
#include "sluice/net/proxy_header.h"

namespace {

using namespace sluice::net;
using sluice::fuzz::require;
using State = ProxyHeaderState;

constexpr std::size_t limit = 1024;

ProxyHeaderFound parse(std::string_view text, ProxyHeader& header) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(text.begin(), text.end());
  return parse_proxy_header({copy.data(), copy.size()}, limit, header);
}

void check_header(const ProxyHeader& header) {
  require(header.version == 1 || header.version == 2, "a version");
  if (header.is_local) {
    require(header.source == Endpoint() && header.destination == Endpoint(), "nobody is named");
  }
  require(header.unique_id.size() <= 128, "a bounded unique id");
  const std::string written = write_proxy_header(header);
  ProxyHeader again;
  const ProxyHeaderFound found = parse(written, again);
  require(found.state == State::complete && found.bytes == written.size(), "what we write is read");
  // An address of IPv4 in the clothes of IPv6 is written as what it is, and two sockets without a
  // name as nobody.
  require(write_proxy_header(again) == written || again.is_local, "and written the same again");
  require(again.source.text() == header.source.text(), "the same client");
  require(again.destination.text() == header.destination.text(), "the same destination");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ProxyHeader header;
  const ProxyHeaderFound whole = parse(text, header);
  require(whole.bytes <= size, "no more than there is");
  require((whole.state == State::complete) == (whole.bytes > 0), "a size when complete only");
  require((whole.state == State::invalid) == !whole.error.empty(), "a text when invalid only");
  require(whole.bytes <= limit, "within the limit");

  std::vector<std::size_t> cuts =
      sluice::fuzz::some_cuts(sluice::fuzz::digest(text), std::min<std::size_t>(size, limit));
  cuts.push_back(whole.bytes);
  if (whole.bytes > 0) cuts.push_back(whole.bytes - 1);
  for (const std::size_t cut : cuts) {
    ProxyHeader part;
    const State state = parse(text.substr(0, cut), part).state;
    if (whole.state == State::complete) {
      require((state == State::complete) == (cut >= whole.bytes), "complete with its last byte");
      require(state != State::invalid && state != State::absent, "sound until then");
      if (state == State::complete) require(part == header, "the same in pieces");
    } else {
      require(state == whole.state || state == State::undecided || state == State::incomplete,
              "never more than the whole is");
    }
  }
  if (whole.state == State::complete) check_header(header);
  return 0;
}
