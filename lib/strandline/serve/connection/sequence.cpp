#include <strandline/serve/connection/sequence.h>

#include <utility>

namespace strandline::serve {

void Sequence::read(const Object& object, ByteRange range) {
  const store::Lease lease = object.fetched.lease();
  const void* const entry = &lease.entry();
  const bool same = std::exchange(entry_, entry) == entry;
  if (!same || range.begin != end_) {
    cursor_.reset();
    bytes_ = 0;
    requests_ = 0;
  }
  end_ = range.end;
  bytes_ += range.size();
  ++requests_;
  if (cursor_) {
    static_cast<void>(cursor_->seek(range.begin));  // behind what has been asked for
  } else if (requests_ >= kRequests && bytes_ >= kBytes) {
    if (auto made = object.fetched.resource().cursor(range.begin)) {
      cursor_.emplace(std::move(*made));
    }
  }
}

}  // namespace strandline::serve
