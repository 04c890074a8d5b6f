// Text that must not be seen: kept apart, wiped when it goes, printed as nothing but that it is
// one.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sluice::net {

// Overwrites all of it, in a way that compilers do not leave out, and empties the text.
// What a string had held elsewhere before it grew is not found.
void wipe(std::string& text);
void wipe(std::span<unsigned char> octets);

// Cannot be copied, so there is one place to wipe. Any thread.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text);  // the caller wipes its own
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // For what it is made for, never for a log, an error or a status.
  [[nodiscard]] std::string_view reveal() const { return {bytes_.get(), size_}; }
  [[nodiscard]] bool is_empty() const { return size_ == 0; }

  // "(secret)"
  friend std::ostream& operator<<(std::ostream& out, const Secret& secret);

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace sluice::net
