// The origins that need nothing but this library. Others join in tests of their own.
#include <strandline/origin/memory_origin.h>

#include <tests/origin/conformance.h>

namespace strandline::origin::conformance {

struct Memory final : Subject {
  static constexpr Can kCan{.keep_rate = false};
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }

 private:
  std::unique_ptr<MemoryOrigin> origin_ = std::make_unique<MemoryOrigin>();
};
STRANDLINE_ORIGIN_CONFORMS(Memory);

}  // namespace strandline::origin::conformance
