// Want: says, while it lives, that a range is wanted, though nobody waits for it at this moment: so what is fetched for
// it is not given up between two waits. It goes forward only: what has come is not asked for again when it is evicted,
// or a store smaller than what is wanted of it would be filled and emptied for ever.
// Threads: one at a time. Blocks: never. Errors: without memory nothing is said. Cost: a wait, unless all of it is
// there already, and another one when bytes have come. Lifetime: of the interest; the resource outlives it.
#pragma once

#include <strandline/resource/resource.h>

#include <memory>
#include <new>
#include <stop_token>
#include <utility>

namespace strandline::fill {

class Want {
 public:
  template <Driver D>
  Want(const Resource<D>& resource, ByteRange range) {
    try {
      std::make_shared<Going<D>>(resource, range, over_.get_token())->go_on();
    } catch (const std::bad_alloc&) {
    }
  }
  Want(const Want&) = delete;
  Want& operator=(const Want&) = delete;
  ~Want() { over_.request_stop(); }

 private:
  // Kept by its wait, which ends with the Want.
  template <Driver D>
  class Going : public std::enable_shared_from_this<Going<D>> {
   public:
    Going(Resource<D> resource, ByteRange range, std::stop_token over)
        : resource_(std::move(resource)), left_(range), over_(std::move(over)) {}
    void go_on() {
      const auto gap = over_.stop_requested() ? std::nullopt : resource_.next_gap(left_.begin, left_.end);
      if (!gap) {
        return;
      }
      left_.begin = gap->begin;
      WaitOptions options;
      options.stop = over_;
      options.until = WaitFor::any;
      resource_.async_wait(left_, options, [self = this->shared_from_this()](const Result<WaitOutcome>& outcome) {
        if (outcome == WaitOutcome::ready) {
          self->go_on();
        }
      });
    }

   private:
    const Resource<D> resource_;
    ByteRange left_;
    const std::stop_token over_;
  };

  std::stop_source over_;
};

}  // namespace strandline::fill
