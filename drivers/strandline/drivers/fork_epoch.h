// ForkEpoch: tells a process that it is a fork()ed copy of the one that opened a storage.
// Threads: all calls may run at once. Blocks: never. Errors: no_memory from arm(). Cost: one relaxed load.
// Lifetime: a value. A child made by a raw clone(2), without libc's fork(), is not seen.
#pragma once

#include <strandline/base/error.h>

#include <cstdint>

namespace strandline {

// Taken in open(); inherited() is true from then on in every child process. A driver whose storage both
// processes see refuses to change it there, and leaves it alone when it is destroyed.
class ForkEpoch {
 public:
  // Must have succeeded once in this process before inherited() means anything.
  [[nodiscard]] static Result<ForkEpoch> arm() noexcept;

  constexpr ForkEpoch() noexcept = default;
  [[nodiscard]] bool inherited() const noexcept;

  // unsupported when inherited: `what` names the call.
  [[nodiscard]] Result<void> check(std::string_view what) const noexcept;

 private:
  explicit constexpr ForkEpoch(std::uint64_t epoch) noexcept : epoch_(epoch) {}

  std::uint64_t epoch_ = 0;
};

}  // namespace strandline
