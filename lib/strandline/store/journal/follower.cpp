#include <strandline/store/journal/follower.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {

constexpr std::size_t kReadAhead = 65536;

Result<void> JournalFollower::read_ahead(std::size_t wanted) noexcept {
  try {
    buffer_.resize(wanted);
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "journal");
  }
  std::size_t have = 0;
  while (have < wanted) {
    const auto count = file_->read_at(next_.offset + have, std::span(buffer_).subspan(have));
    if (!count) {
      buffer_.clear();
      return fail(count.error().clone());
    }
    if (*count == 0) {
      break;
    }
    have += *count;
  }
  buffer_.resize(have);
  buffer_begin_ = next_.offset;
  return {};
}

Result<std::optional<DecodedRecord>> JournalFollower::next() noexcept {
  const auto decode = [this] {
    const std::size_t skipped = std::min<std::size_t>(next_.offset - buffer_begin_, buffer_.size());
    auto record = decode_record(std::span(std::as_const(buffer_)).subspan(skipped), next_.chain);
    if (record) {
      next_ = {next_.offset + record->size, record->chain};
    }
    return record;
  };
  auto record = decode();
  // What is there is read again: a part of it may have been written since. Then as much as the longest one takes.
  for (const std::size_t wanted : {kReadAhead, kRecordHead + kMaxPayload}) {
    if (record || (wanted > kReadAhead && buffer_.size() < kReadAhead)) {
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
