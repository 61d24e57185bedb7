#include <strandline/drivers/file/failure.h>
#include <strandline/store/lease.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {

Result<bool> Lease::take_writer(Later* later) noexcept {
  if (writer_ && !writer_->active()) {
    end_writing();
  }
  if (!writer_) {
    auto writer = entry_->take_writer(later);
    if (!writer) {
      return fail(std::move(writer.error()));
    }
    writer_ = std::move(*writer);
  }
  return writer_.has_value();
}

void Lease::end_writing() noexcept {
  if (writer_) {
    entry_->end_writing(std::move(*writer_));
    writer_.reset();
  }
}

Result<void> Lease::set_demand_observer(std::shared_ptr<DemandObserver> observer) noexcept {
  if (observer != nullptr) {
    if (auto added = entry_->demand().add(observer); !added) {
      return added;
    }
  }
  if (const auto before = std::exchange(observer_, std::move(observer))) {
    entry_->demand().remove(before);
  }
  return {};
}

Result<void> Lease::set_successor(Entry::Successor called) noexcept {
  return file::contained([&]() -> Result<void> {
    auto successor = called ? std::make_shared<const Entry::Successor>(std::move(called)) : nullptr;
    if (successor != nullptr) {
      if (auto added = entry_->add_successor(successor); !added) {
        return added;
      }
    }
    // In this order: waits shall not end in between.
    if (const auto before = std::exchange(successor_, std::move(successor))) {
      entry_->remove_successor(before);
    }
    return {};
  });
}

Result<void> Lease::pin(ByteRange range) noexcept {
  return file::contained([&] {
    pins_.reserve(pins_.size() + 1);
    auto pinned = entry_->pin(range);
    if (pinned) {
      pins_.push_back(range);
    }
    return pinned;
  });
}

void Lease::unpin(ByteRange range) noexcept {
  const auto it = std::find(pins_.begin(), pins_.end(), range);
  if (it != pins_.end()) {
    pins_.erase(it);
    entry_->unpin(range);
  }
}

void Lease::end() noexcept {
  if (entry_ == nullptr) {
    return;
  }
  if (entry_->inherited()) {
    // Its parent ends it. Here it is left as it is, for to end it takes locks that may be held for ever.
    static_cast<void>(new (std::nothrow) Lease(std::move(*this)));
    return;
  }
  static_cast<void>(set_demand_observer(nullptr));  // taking away needs no memory
  static_cast<void>(set_successor(nullptr));
  end_writing();
  for (const ByteRange range : std::exchange(pins_, {})) {
    entry_->unpin(range);
  }
  entry_.reset();
}

}  // namespace strandline::store
