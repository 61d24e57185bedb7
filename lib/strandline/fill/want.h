// Want: says, while it lives, that a range is wanted, though nobody waits for it at this moment: so what is fetched for
// it is not given up between two waits.
// Threads: one at a time. Blocks: never. Errors: without memory nothing is said. Cost: a wait, unless all of it is
// there already. Lifetime: of the interest; the resource outlives it.
#pragma once

#include <strandline/resource/resource.h>

#include <stop_token>

namespace strandline::fill {

class Want {
 public:
  template <Driver D>
  Want(const Resource<D>& resource, ByteRange range) {
    if (!resource.contains(range)) {
      WaitOptions options;
      options.stop = over_.get_token();
      resource.async_wait(range, options, [](const Result<WaitOutcome>&) {});
    }
  }
  Want(const Want&) = delete;
  Want& operator=(const Want&) = delete;
  ~Want() { over_.request_stop(); }

 private:
  std::stop_source over_;
};

}  // namespace strandline::fill
