// View: available bytes in place, without a copy, pinned until the view goes.
// Threads: a move-only value; its bytes may be read by any thread. Blocks: never; but a ring's writer that needs the
// pinned space waits for it. Errors: none after Resource::view(). Cost: three pointers. Lifetime: outlives commit,
// reactivate and the closing of the resource; on a file that someone else truncates, see MmapDriver.
#pragma once

#include <strandline/driver/driver.h>

#include <memory>
#include <span>
#include <utility>

namespace strandline {

class View {
 public:
  View() noexcept = default;
  // `pin` lets go of the bytes when destroyed; `bytes.owner` keeps them mapped.
  View(ByteRange range, DriverView bytes, std::shared_ptr<const void> pin) noexcept
      : range_(range), bytes_(std::move(bytes)), pin_(std::move(pin)) {}
  View(View&& other) noexcept
      : range_(std::exchange(other.range_, {})), bytes_(std::exchange(other.bytes_, {})), pin_(std::move(other.pin_)) {}
  View& operator=(View&& other) noexcept {
    View taken(std::move(other));
    std::swap(range_, taken.range_);
    std::swap(bytes_, taken.bytes_);
    std::swap(pin_, taken.pin_);
    return *this;
  }
  ~View() = default;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_.bytes; }
  // Where they stand in the resource: what was asked for, clamped to the length.
  [[nodiscard]] ByteRange range() const noexcept { return range_; }

 private:
  ByteRange range_;
  DriverView bytes_;
  std::shared_ptr<const void> pin_;  // goes first: members end in reverse order
};

}  // namespace strandline
