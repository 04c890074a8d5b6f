#include "proxy/filters/compress.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "proxy/amendments.h"
#include "proxy/grpc.h"
#include "sluice/base/text.h"
#include "sluice/http/content_coding.h"
#include "sluice/http/field_list.h"

namespace sluice::proxy {

namespace {

using http::ContentCoding;
using http::ContentEncoder;
using http::Field;
using http::FieldName;

// One of the answers that may be compressed at a time.
class Seat {
 public:
  static std::optional<Seat> take(const route::Compress& compress) {
    std::atomic<std::uint32_t>& active = *compress.active;
    if (active.fetch_add(1, std::memory_order_relaxed) >= compress.settings.concurrency) {
      active.fetch_sub(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return Seat(compress.active);
  }
  Seat(Seat&& other) noexcept = default;
  Seat& operator=(Seat&& other) = delete;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  ~Seat() {
    if (active_ != nullptr) active_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  explicit Seat(std::shared_ptr<std::atomic<std::uint32_t>> active) : active_(std::move(active)) {}
  std::shared_ptr<std::atomic<std::uint32_t>> active_;
};

// Bytes of content: how long a worker may work on one answer before others have their turn.
constexpr std::uint64_t at_a_time = 64 * 1024;

// The content of an answer, coded. Whenever the target has nothing more at hand, what it sent so
// far is flushed: an event of an event stream arrives when it was sent.
class CompressedBody final : public upstream::Body {
 public:
  CompressedBody(upstream::Body& content, std::unique_ptr<ContentEncoder> encoder, Seat seat,
                 observe::Counter& bytes_in, observe::Counter& bytes_out)
      : content_(content),
        encoder_(std::move(encoder)),
        seat_(std::move(seat)),
        bytes_in_(bytes_in),
        bytes_out_(bytes_out) {}

  // All that is at hand, unless it is a lot: whoever gets nothing waits for the target, and must
  // not do so while the client could have been sent something.
  upstream::Runs take() override {
    coded_.clear();
    if (ended_) return {};
    bool is_dry = false;
    std::uint64_t taken = 0;
    while (!failed_ && !is_dry && taken < at_a_time) {
      const upstream::Runs runs = content_.take();
      for (const base::Bytes run : runs.items) encode(run, ContentEncoder::Until::more);
      is_dry = runs.bytes == 0;
      taken += runs.bytes;
    }
    bytes_in_.add(taken);
    holds_some_ = holds_some_ || taken > 0;
    if (content_.is_finished()) {
      encode({}, ContentEncoder::Until::end);
      ended_ = !failed_;
    } else if (is_dry && holds_some_) {
      encode({}, ContentEncoder::Until::flush);
      holds_some_ = false;
    }
    bytes_out_.add(coded_.size());
    return coded_runs();
  }

  net::Task<net::Transfer> fill(std::chrono::milliseconds timeout) override {
    return content_.fill(timeout);
  }
  bool is_finished() const override { return ended_; }
  bool has_failed() const override { return failed_ || content_.has_failed(); }
  observe::Reason failure() const override {
    return failed_ ? observe::Reason::internal_error : content_.failure();
  }
  const http::Fields& trailers() const override { return content_.trailers(); }
  std::uint64_t content_bytes() const override { return content_.content_bytes(); }
  bool can_restart() const override { return false; }

 private:
  void encode(base::Bytes bytes, ContentEncoder::Until until) {
    if (!failed_ && !encoder_->encode(bytes, until, coded_)) failed_ = true;
  }

  upstream::Runs coded_runs() const {
    upstream::Runs runs;
    if (!coded_.empty()) runs.add(base::as_bytes(coded_));
    return runs;
  }

  upstream::Body& content_;
  std::unique_ptr<ContentEncoder> encoder_;
  Seat seat_;
  observe::Counter& bytes_in_;
  observe::Counter& bytes_out_;
  std::string coded_;        // of the last `take`
  bool holds_some_ = false;  // content that the client cannot decode yet
  bool ended_ = false;
  bool failed_ = false;
};

bool says_no_transform(const http::Fields& fields) {
  bool found = false;
  for (const Field& field : fields) {
    if (!base::equals_ignoring_case(field.name, "Cache-Control")) continue;
    http::for_each_element(field.value, [&](std::string_view directive) {
      found = found || base::equals_ignoring_case(directive, "no-transform");
    });
  }
  return found;
}

bool is_identity(std::string_view content_encoding) {
  return content_encoding.empty() || base::equals_ignoring_case(content_encoding, "identity");
}

// Whether the answer's content could be coded, for a client that can decode it.
bool is_eligible(const Exchange& exchange, const route::CompressSettings& settings) {
  const http::ResponseHead& answer = exchange.answer;
  const http::Fields& fields = answer.fields;
  // A part has its place in the content as it is (RFC 9110 14.4); the others have none. gRPC has
  // codings of its own, by message.
  if (answer.status < 200 || answer.status == 204 || answer.status == 206 ||
      is_grpc(exchange.request)) {
    return false;
  }
  if (answer.has_content_length && answer.content_length < settings.size_least) return false;
  return is_identity(fields.value(FieldName::content_encoding)) &&
         settings.takes_type(fields.value(FieldName::content_type)) &&
         fields.find("Content-Range") == nullptr && !says_no_transform(fields);
}

std::string accepted_codings(const http::Fields& fields) {
  std::string list;
  for (const Field& field : fields) {
    if (field.known != FieldName::accept_encoding) continue;
    if (!list.empty()) list += ',';
    list += field.value;
  }
  return list;
}

void weaken_tag(HeadAmendments& head, const http::Fields& fields) {
  const Field* tag = fields.find("ETag");
  if (tag == nullptr || !tag->value.starts_with('"')) return;
  head.dropped.emplace_back("ETag");
  head.lines.append("ETag: W/").append(tag->value).append("\r\n");
}

// What the head says of content that was coded here: another representation, which a weak validator
// may still name (RFC 9110 8.8.1); lengths, ranges and digests are of the bytes that the target
// sent.
void describe(HeadAmendments& head, const http::Fields& fields, ContentCoding coding) {
  for (const char* name : {"Content-Length", "Content-Encoding", "Accept-Ranges", "Content-MD5",
                           "Digest", "Content-Digest", "Repr-Digest"}) {
    head.dropped.emplace_back(name);
  }
  head.lines.append("Content-Encoding: ").append(http::name_of(coding)).append("\r\n");
  weaken_tag(head, fields);
}

}  // namespace

std::unique_ptr<upstream::Body> compress_answer(Exchange& exchange, upstream::Body& content) {
  const auto& compress = exchange.rule->rule->filters.compress;
  if (compress == nullptr) return nullptr;
  const bool not_modified = exchange.answer.status == 304;
  if (!not_modified && !is_eligible(exchange, compress->settings)) return nullptr;
  Amendments& amendments = *exchange.amendments;
  HeadAmendments& head = amendments.content;
  amendments.varies_by_coding = true;
  // HTTP/1.0 has no way to end content of unknown length but the connection.
  if (exchange.request.minor_version == 0) return nullptr;
  const std::optional<ContentCoding> coding =
      http::choose_coding(accepted_codings(exchange.request.fields), compress->settings.codings);
  if (!coding.has_value()) return nullptr;
  if (not_modified) {
    // It may be about what was coded here; of which kind that was it need not say.
    weaken_tag(head, exchange.answer.fields);
    return nullptr;
  }
  if (exchange.request.method == http::Method::head) {
    describe(head, exchange.answer.fields, *coding);  // as GET would be answered
    return nullptr;
  }
  if (content.is_finished()) return nullptr;  // there is none

  const CompressCells& cells = *exchange.rule->compress;
  const auto index = static_cast<std::size_t>(*coding);
  std::optional<Seat> seat = Seat::take(*compress);
  auto encoder =
      seat.has_value() ? ContentEncoder::make(*coding, compress->settings.levels[index]) : nullptr;
  if (encoder == nullptr) {
    cells.skipped->add();
    return nullptr;
  }
  cells.answers[index]->add();
  describe(head, exchange.answer.fields, *coding);
  return std::make_unique<CompressedBody>(content, std::move(encoder), *std::move(seat),
                                          *cells.input_bytes, *cells.output_bytes);
}

}  // namespace sluice::proxy
