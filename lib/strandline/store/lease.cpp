#include <strandline/drivers/file/failure.h>
#include <strandline/store/lease.h>

#include <algorithm>

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
  end_writing();
  for (const ByteRange range : std::exchange(pins_, {})) {
    entry_->unpin(range);
  }
  entry_.reset();
}

}  // namespace strandline::store
