#include <strandline/drivers/file/failure.h>
#include <strandline/fill/late_target.h>

#include <algorithm>

namespace strandline::fill {

Result<void> LateTarget::begin(const origin::ObjectInfo& object) noexcept {
  if (made() != nullptr) {
    return made()->begin(object);  // made when a refusal told the length
  }
  auto made = file::contained([&] { return make_(object); });
  if (!made) {
    return strandline::fail(std::move(made.error()));
  }
  auto begun = (*made)->begin(object);
  if (!begun) {
    return begun;
  }
  std::shared_ptr<DemandObserver> observer;
  {
    MutexLock lock(mutex_);
    made_ = std::move(*made);
    ready_.store(true, std::memory_order_release);
    observer = observer_;
  }
  return made_->observe(std::move(observer));
}

// An origin that knew nothing of the object but its length.
Result<void> LateTarget::set_length(std::uint64_t length) noexcept {
  return made() != nullptr ? made()->set_length(length) : begin({length, {}, false, {}});
}

Result<void> LateTarget::commit(std::uint64_t length) noexcept {
  return made()->commit(length);
}

void LateTarget::fail(Error error) noexcept {
  if (made() != nullptr) {
    made()->fail(std::move(error));
  }
}

void LateTarget::leave() noexcept {
  if (made() != nullptr) {
    made()->leave();
  }
}

std::optional<ByteRange> LateTarget::next_gap(std::uint64_t from, std::uint64_t limit) const noexcept {
  if (made() != nullptr) {
    return made()->next_gap(from, limit);
  }
  return ByteRange{from, first_.contains(from) ? std::min(limit, first_.end) : limit};
}

Result<std::vector<Demand>> LateTarget::demand(std::size_t limit) const noexcept {
  if (made() != nullptr) {
    return made()->demand(limit);
  }
  return file::contained([&]() -> Result<std::vector<Demand>> {
    // Nobody can wait for it yet; and nothing would ever be asked for whose policy is to bring what is waited for.
    const ByteRange first = first_.empty() ? ByteRange{0, 1} : first_;
    return std::vector<Demand>{{first, {}, first_.empty() ? Urgency::background : Urgency::reader, first.end}};
  });
}

std::vector<std::uint64_t> LateTarget::readers(std::size_t limit) const {
  return made() != nullptr ? made()->readers(limit) : std::vector<std::uint64_t>();
}

Result<void> LateTarget::observe(std::shared_ptr<DemandObserver> observer) noexcept {
  Target* there = nullptr;
  {
    MutexLock lock(mutex_);
    observer_ = observer;
    there = made();
  }
  return there != nullptr ? there->observe(std::move(observer)) : Result<void>();
}

}  // namespace strandline::fill
