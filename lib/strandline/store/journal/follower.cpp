#include <strandline/store/journal/follower.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {

constexpr std::size_t kReadAhead = 4096;

Result<void> JournalFollower::read_ahead(std::size_t wanted) noexcept {
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
  }
  return {};
}

Result<std::optional<DecodedRecord>> JournalFollower::next() noexcept {
  const auto decode = [this] {
    const std::size_t skipped = std::min<std::size_t>(next_.offset - buffer_begin_, filled_);
    auto record = decode_record(std::span<const std::byte>(buffer_.get() + skipped, filled_ - skipped), next_.chain);
    if (record) {
      next_ = {next_.offset + record->size, record->chain};
    }
    return record;
  };
  auto record = decode();
  // What is there is read again: a part of it may have been written since. Then as much as the longest one takes.
  for (const std::size_t wanted : {kReadAhead, kRecordHead + kMaxPayload}) {
    if (record || (wanted > kReadAhead && filled_ < kReadAhead)) {
      break;
    }
    if (auto done = read_ahead(wanted); !done) {
      return fail(std::move(done.error()));
    }
    record = decode();
  }
  return record;
}

}  // namespace strandline::store
