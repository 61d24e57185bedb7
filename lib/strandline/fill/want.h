// Want: says, while it lives, that a range is wanted, though nobody waits for it at this moment: so what is fetched for
// it is not given up between two waits. It goes forward only: what has come is not asked for again when it is evicted,
// or a store smaller than what is wanted of it would be filled and emptied for ever.
// Threads: one at a time. Blocks: never. Errors: without memory nothing is said. Cost: a wait, unless all of it is
// there already, and others when bytes have come. Lifetime: of the interest; the resource outlives it.
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
  // Kept by its waits, which end with the Want.
  template <Driver D>
  class Going : public std::enable_shared_from_this<Going<D>> {
   public:
    Going(Resource<D> resource, ByteRange range, std::stop_token over)
        : resource_(std::move(resource)), left_(range), over_(std::move(over)) {}
    void go_on() {
      const auto gap = over_.stop_requested() ? std::nullopt : resource_.next_gap(left_.begin, left_.end);
      if (!gap) {
        asked_.request_stop();
        return;
      }
      left_.begin = gap->begin;
      // This one says what is wanted; it is parked before the one in whose place it is ends, so that at no moment
      // nothing seems to be.
      std::stop_source asked;
      WaitOptions options;
      options.stop = asked.get_token();
      resource_.async_wait(left_, options, [](const Result<WaitOutcome>&) {});
      std::exchange(asked_, std::move(asked)).request_stop();
      // And this one tells when to go on. The last thing done here: its end may be on another thread already.
      options.stop = over_;
      options.until = WaitFor::any;
      resource_.async_wait(left_, options, [self = this->shared_from_this()](const Result<WaitOutcome>& outcome) {
        outcome == WaitOutcome::ready ? self->go_on() : static_cast<void>(self->asked_.request_stop());
      });
    }

   private:
    const Resource<D> resource_;
    ByteRange left_;
    const std::stop_token over_;
    std::stop_source asked_;
  };

  std::stop_source over_;
};

}  // namespace strandline::fill
