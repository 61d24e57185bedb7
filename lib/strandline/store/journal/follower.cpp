#include <strandline/store/journal/follower.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {

constexpr std::size_t kReadAhead = 4096;

Result<void> JournalFollower::read_ahead(std::size_t wanted, Reads reads) noexcept {
  filled_ = 0;
  buffer_begin_ = next_.offset;
  if (capacity_ < wanted) {
    buffer_.reset(new (std::nothrow) std::byte[wanted]);
    capacity_ = buffer_ != nullptr ? wanted : 0;
    if (buffer_ == nullptr) {
      return fail(Errc::no_memory, "journal");
    }
  }
  while (filled_ < wanted) {
    const auto count = file_->read_at(next_.offset + filled_, std::span(buffer_.get() + filled_, wanted - filled_));
    if (!count) {
      filled_ = 0;
      return fail(count.error().clone());
    }
    if (*count == 0) {
      break;
    }
    filled_ += *count;
    if (reads == Reads::one) {
      break;
    }
  }
  return {};
}

std::optional<DecodedRecord> JournalFollower::known() const noexcept {
  const std::size_t skipped = std::min<std::size_t>(next_.offset - buffer_begin_, filled_);
  return decode_record(std::span<const std::byte>(buffer_.get() + skipped, filled_ - skipped), next_.chain);
}

Result<void> JournalFollower::look() noexcept {
  return read_ahead(kReadAhead, Reads::one);
}

bool JournalFollower::at_end() const noexcept {
  return filled_ < kReadAhead && next_.offset == buffer_begin_ + filled_;
}

Result<std::optional<DecodedRecord>> JournalFollower::next() noexcept {
  const auto decode = [this] {
    auto record = known();
    if (record) {
      take(*record);
    }
    return record;
  };
  auto record = decode();
  // What is there is read again: a part of it may have been written since. Then as much as the longest one takes.
  for (const std::size_t wanted : {kReadAhead, kRecordHead + kMaxPayload}) {
    if (record || (wanted > kReadAhead && filled_ < kReadAhead)) {
      break;
    }
    if (auto done = read_ahead(wanted, Reads::all); !done) {
      return fail(std::move(done.error()));
    }
    record = decode();
  }
  return record;
}

}  // namespace strandline::store
