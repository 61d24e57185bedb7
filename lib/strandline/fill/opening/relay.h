// Relay: hands the rest of a read on to a sink that may have had the beginning from elsewhere, of the same version.
// Threads: a sink's; wait() on any. Blocks: wait(), until the end was told. Errors: changed, from begin(): the rest is
// of another version. Cost: a lock per read. Lifetime: the sink outlives it.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace strandline::fill {

class Relay final : public origin::Sink {
 public:
  // `told`: what the sink has been told that the object is; none: it has had nothing, and is told.
  Relay(origin::Sink& sink, std::uint64_t at, std::optional<origin::ObjectInfo> told) noexcept
      : sink_(sink), at_(at), told_(std::move(told)) {}

  Result<void> begin(const origin::ObjectInfo& object, std::uint64_t offset) noexcept override {
    if (!told_) {
      return sink_.begin(object, at_ = offset);
    }
    if (object.validator != told_->validator || (object.size && told_->size && object.size != told_->size)) {
      return fail(Errc::changed, "the rest is of another version");
    }
    return {};
  }
  // What comes before is of an origin that begins at 0.
  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    const auto rest = data.subspan(std::min<std::uint64_t>(data.size(), at_ - std::min(at_, offset)));
    if (rest.empty()) {
      return {};
    }
    const std::uint64_t at = std::exchange(at_, at_ + rest.size());
    return sink_.bytes(at, rest);
  }
  bool has_room() noexcept override { return sink_.has_room(); }
  void end(origin::Outcome<void> outcome) noexcept override {
    MutexLock lock(mutex_);
    outcome_ = std::move(outcome);
    ended_.notify_all();
  }
  [[nodiscard]] origin::Outcome<void> wait() noexcept {
    MutexLock lock(mutex_);
    while (!outcome_) {
      ended_.wait(mutex_);
    }
    return std::move(*outcome_);
  }

 private:
  origin::Sink& sink_;
  std::uint64_t at_;  // of the next byte that the sink gets
  const std::optional<origin::ObjectInfo> told_;
  Mutex mutex_;
  CondVar ended_;
  std::optional<origin::Outcome<void>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::fill
