#include <bench/baseline/simple_resource.h>

#include <chrono>
#include <cstring>

namespace strandline::bench::baseline {

Result<std::unique_ptr<SimpleResource>> SimpleResource::open(const Options& options) {
  if (options.path.empty()) {
    return std::make_unique<SimpleResource>(SimpleStorage::open_memory());
  }
  auto storage = SimpleStorage::open_file(options.path);
  if (!storage) {
    return fail(std::move(storage.error()));
  }
  return std::make_unique<SimpleResource>(std::move(*storage));
}

SimpleResource::SimpleResource(std::unique_ptr<SimpleStorage> storage)
    : storage_(std::move(storage)), snapshot_(std::make_shared<const IntervalSet>()) {}

ByteRange SimpleResource::clamped_locked(ByteRange range) const {
  return range.clamped_to({0, length_.value_or(kMaxOffset)});
}

bool SimpleResource::covers_locked(ByteRange range) const {
  return range.empty() || set_.covers(range);
}

Result<std::size_t> SimpleResource::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  const auto range = ByteRange::from_size(offset, data.size());
  if (!range) {
    return fail(range.error().clone());
  }
  {
    const std::scoped_lock lock(mutex_);
    if (cancelled_ || length_) {
      return fail(cancelled_ ? Errc::cancelled : Errc::committed, "write");
    }
    if (data.empty()) {
      return 0;
    }
    if (auto room = storage_->reserve(range->end); !room) {
      return fail(std::move(room.error()));
    }
    std::memcpy(storage_->data() + offset, data.data(), data.size());
    set_.insert(*range);
    snapshot_ = std::make_shared<const IntervalSet>(set_);
  }
  changed_.notify_all();
  return data.size();
}

Result<void> SimpleResource::commit(std::optional<std::uint64_t> length) {
  {
    const std::scoped_lock lock(mutex_);
    if (cancelled_ || length_) {
      return fail(cancelled_ ? Errc::cancelled : Errc::committed, "commit");
    }
    const std::uint64_t wanted = length.value_or(set_.end_offset());
    if (!covers_locked({0, wanted})) {
      return fail(Errc::incomplete, "commit");
    }
    if (auto finished = storage_->finish(wanted); !finished) {
      return finished;
    }
    length_ = wanted;
  }
  changed_.notify_all();
  return {};
}

void SimpleResource::cancel() {
  {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
}

Result<std::size_t> SimpleResource::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const auto wanted = ByteRange::from_size(offset, out.size());
  if (!wanted) {
    return fail(wanted.error().clone());
  }
  const std::scoped_lock lock(mutex_);
  if (cancelled_) {
    return fail(Errc::cancelled, "read");
  }
  const ByteRange range = clamped_locked(*wanted);
  if (!covers_locked(range)) {
    return fail(Errc::not_available, "read");
  }
  if (!range.empty()) {
    // Under the lock, because the next write may move the mapping.
    std::memcpy(out.data(), storage_->data() + range.begin, range.size());
  }
  return range.size();
}

bool SimpleResource::contains(ByteRange range) const {
  const std::scoped_lock lock(mutex_);
  return !cancelled_ && range.valid() && covers_locked(range);
}

Result<WaitOutcome> SimpleResource::wait_range(ByteRange range, const WaitOptions& options) const {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "wait");
  }
  std::unique_lock lock(mutex_);
  for (;;) {
    if (cancelled_) {
      return fail(Errc::cancelled, "wait");
    }
    if (range.empty() || covers_locked(clamped_locked(range))) {
      return length_ && !range.empty() && range.begin >= *length_ ? WaitOutcome::eof : WaitOutcome::ready;
    }
    if (!options.deadline) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() >= *options.deadline) {
      return WaitOutcome::timed_out;
    } else {
      changed_.wait_until(lock, *options.deadline);
    }
  }
}

std::shared_ptr<const IntervalSet> SimpleResource::available() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

std::optional<std::uint64_t> SimpleResource::length() const {
  const std::scoped_lock lock(mutex_);
  return length_;
}

}  // namespace strandline::bench::baseline
