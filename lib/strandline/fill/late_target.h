// LateTarget: a target that is made when the origin has said what there is: of which version, and how long.
// Threads, Blocks, Errors, Lifetime: as Target. Cost: a pointer.
#pragma once

#include <strandline/fill/target.h>

#include <functional>
#include <memory>

namespace strandline::fill {

class LateTarget final : public Target {
 public:
  // Called once, on a thread of the origin's or the filler's. What it makes is what is filled.
  using Make = std::function<Result<std::unique_ptr<Target>>(const origin::ObjectInfo&)>;
  // `first`: what is asked for before anything is known, and no byte past it; empty: as the policy says, a byte at
  // least.
  explicit LateTarget(Make make, ByteRange first = {}) noexcept : make_(std::move(make)), first_(first) {}

  Result<void> begin(const origin::ObjectInfo& object) noexcept override;
  Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> data,
                            const std::stop_token& stop) noexcept override {
    return made_->write(offset, data, stop);
  }
  Result<void> set_length(std::uint64_t length) noexcept override;
  Result<void> commit(std::uint64_t length) noexcept override;
  void fail(Error error) noexcept override;
  void leave() noexcept override;
  std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept override;
  Result<std::vector<Demand>> demand(std::size_t limit) const noexcept override;
  std::vector<std::uint64_t> readers(std::size_t limit) const override;
  Result<void> observe(std::shared_ptr<DemandObserver> observer) noexcept override;

 private:
  [[nodiscard]] Target* made() const noexcept { return ready_.load(std::memory_order_acquire) ? made_.get() : nullptr; }

  const Make make_;
  const ByteRange first_;
  std::unique_ptr<Target> made_;
  std::atomic<bool> ready_{false};  // published by begin(), on the origin's thread
  Mutex mutex_;                     // a leaf
  std::shared_ptr<DemandObserver> observer_ STRANDLINE_GUARDED_BY(mutex_);  // until there is a target to have it
};

}  // namespace strandline::fill
