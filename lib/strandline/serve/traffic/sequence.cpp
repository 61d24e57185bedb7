#include <strandline/serve/traffic/sequence.h>

#include <algorithm>
#include <utility>

namespace strandline::serve {

void Sequence::read(const Object& object, ByteRange range) {
  const store::Lease lease = object.fetched.lease();
  const void* const entry = &lease.entry();
  const bool same = std::exchange(entry_, entry) == entry;
  ahead_.reset();
  if (!same || range.begin != end_) {
    bytes_ = 0;
    requests_ = 0;
  }
  end_ = range.end;
  bytes_ += range.size();
  ++requests_;
  const std::uint64_t most = std::min(bytes_, object.fetched.limits().window);
  const std::uint64_t upto = std::min(object.fetched.resource().length().value_or(kMaxOffset), end_ + most);
  if (requests_ >= kRequests && upto > end_) {
    ahead_.emplace(object.fetched.resource(), ByteRange{end_, upto});
  }
}

}  // namespace strandline::serve
